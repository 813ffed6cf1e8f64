from __future__ import annotations

from ui.cards import grid
from ui.state import SearchState


def test_an_address_carries_a_search_there_and_back() -> None:
    state = SearchState(
        "red dress & more", like="a/b", weight=0.3, count=18, filters={"colour": ["red", 'a"b'], "n": [1]}
    )
    assert SearchState.from_params(state.params()) == state
    assert SearchState().params() == {}


def test_an_address_that_makes_no_sense_falls_back() -> None:
    strange = {"w": "nan", "n": "1e9", "f": "{", "q": "  ", "like": ""}
    assert SearchState.from_params(strange) == SearchState(count=99)
    assert SearchState.from_params({"f": '["x"]', "n": "-3", "w": "7"}) == SearchState(weight=1.0)


def test_texts_of_a_catalogue_are_only_texts() -> None:
    evil = '"><script>alert(1)</script>'
    html = grid(
        [{"id": evil, "score": 0.3, "url": f"http://x/{evil}", "metadata": {"title": evil, "colour": evil}}],
        SearchState(),
    )
    assert "<script>" not in html
    assert 'alt="&quot;&gt;' in html
