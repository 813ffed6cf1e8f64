"""The dashboards' files are what their source says, and each panel explains itself."""

from __future__ import annotations

import json

import pytest

from monitoring.grafana.boards.all import BOARDS, FOLDER, file_of
from monitoring.grafana.boards.json import dashboard_json
from monitoring.grafana.boards.panels import Board

_UNITS = {"s", "ms", "reqps", "percentunit", "bytes", "Bps", "short", "none"}
"""Those of Grafana's units that are in use."""


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_the_file_is_up_to_date(board: Board) -> None:
    assert file_of(board.uid).read_text() == dashboard_json(board), "run: python -m monitoring.grafana.boards"


def test_no_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {file_of(board.uid).name for board in BOARDS}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_each_panel_has_a_unit_a_title_and_a_description(board: Board) -> None:
    assert len({panel.title for panel in board.panels}) == len(board.panels)
    for panel in board.panels:
        assert panel.unit in _UNITS, panel.title
        assert panel.title[0].isupper() and not panel.title.endswith("."), panel.title
        assert panel.description.endswith("."), panel.title
        assert panel.queries, panel.title
        assert len(panel.queries) == 1 or all(query.legend for query in panel.queries), panel.title


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_panels_do_not_overlap_and_have_their_own_numbers(board: Board) -> None:
    panels = json.loads(file_of(board.uid).read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + column, place["y"] + row) for column in range(place["w"]) for row in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
