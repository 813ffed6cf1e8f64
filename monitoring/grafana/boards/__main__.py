"""Write the JSON of all dashboards: `python -m monitoring.grafana.boards`."""

from __future__ import annotations

from monitoring.grafana.boards.all import BOARDS, FOLDER, file_of
from monitoring.grafana.boards.json import dashboard_json


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        file_of(board.uid).write_text(dashboard_json(board), encoding="utf-8")


if __name__ == "__main__":
    main()
