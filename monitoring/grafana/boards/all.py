"""The list of dashboards, and their files."""

from __future__ import annotations

from pathlib import Path

from monitoring.grafana.boards import etl, host, logs, model, overview, search, stores

BOARDS = (overview.BOARD, model.BOARD, search.BOARD, etl.BOARD, stores.BOARD, host.BOARD, logs.BOARD)
FOLDER = Path(__file__).resolve().parent.parent / "dashboards"


def file_of(uid: str) -> Path:
    """Where the JSON of a board lies."""
    return FOLDER / f"{uid.removeprefix('fashion-')}.json"
