"""The search page. Start it with `streamlit run ui/app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from environment import from_environment
from ui import cards
from ui.client import Answer, SearchClient, SearchFailed
from ui.settings import UiSettings
from ui.state import MOST, PAGE, SearchState


@st.cache_resource
def _settings() -> UiSettings:
    return from_environment(UiSettings)


@st.cache_resource
def _client() -> SearchClient:
    return SearchClient(_settings())


# Links in cached answers must outlive the cache: a link is valid for an hour by default.
@st.cache_data(ttl=300, show_spinner=False)
def _facets() -> dict[str, list[dict[str, Any]]]:
    return _client().facets()


@st.cache_data(ttl=300, show_spinner=False)
def _example_pictures(examples: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    found = [(words, _client().search(query=words, top_k=1).results) for words in examples]
    return [(words, results[0]) for words, results in found if results]


def main() -> None:
    """Draw the page for the search in the address bar."""
    settings = _settings()
    st.set_page_config(page_title=settings.ui_title, page_icon="👗", layout="centered")
    st.html(Path(__file__).with_name("style.css"))
    state = SearchState.from_params(st.query_params.to_dict())
    st.title(settings.ui_title)
    photo = _form(state)
    if state.item:
        _show_item(state)
    elif state.empty and photo is None:
        _welcome(settings)
    else:
        _show_results(state, photo)


def _form(state: SearchState) -> bytes | None:
    """The search form; a change of it becomes a change of the address, except for the photo."""
    with st.form("search", border=False):
        words = st.text_input("What are you looking for?", value=state.words, placeholder="burgundy corduroy jacket",
                              max_chars=2000)  # fmt: skip
        upload = st.file_uploader("or a photo of it", type=["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"])
        with st.expander("Filters and more", expanded=bool(state.filters)):
            filters = _filters(state)
            weight = st.slider("Weight of the words beside a photo", 0.0, 1.0, state.weight, 0.1)
        asked = st.form_submit_button("Search", type="primary")
    if asked:
        new = SearchState(words=words.strip(), weight=weight, filters=filters)
        if new != state:
            st.query_params.from_dict(new.params())
            st.rerun()
    return upload.getvalue() if upload is not None else None


def _filters(state: SearchState) -> dict[str, list[Any]]:
    try:
        facets = _facets()
    except SearchFailed:
        return state.filters
    chosen = {}
    for name, values in facets.items():
        if len(values) < 2:
            continue
        counts = {pair["value"]: pair["count"] for pair in values}
        chosen[name] = st.multiselect(
            name.replace("_", " ").capitalize(),
            list(counts),
            default=[value for value in state.filters.get(name, []) if value in counts],
            format_func=lambda value, counts=counts: f"{value} ({counts[value]})",  # type: ignore[misc]
        )
    return {name: values for name, values in chosen.items() if values}


def _welcome(settings: UiSettings) -> None:
    st.write("Describe a piece of clothing, or add a photo of one. Some searches to begin with:")
    try:
        st.html(cards.examples(_example_pictures(settings.ui_examples)))
    except SearchFailed as failure:
        _tell(failure)


def _show_results(state: SearchState, photo: bytes | None) -> None:
    try:
        with st.spinner("Searching ..."):
            answer = _client().search(
                photo=photo,
                query=state.words,
                like=state.like,
                text_weight=state.weight,
                top_k=state.count,
                filters=state.filters,
            )
    except SearchFailed as failure:
        _tell(failure)
        return
    st.caption(_what_was_asked(state, photo, answer))
    if not answer.results:
        _nothing_found(state)
        return
    st.html(cards.grid(answer.results, state))
    if answer.has_more and state.count < MOST:
        more = SearchState(**{**state.__dict__, "count": min(MOST, state.count + PAGE)})
        st.button("Show more", on_click=lambda: st.query_params.from_dict(more.params()))


def _show_item(state: SearchState) -> None:
    try:
        st.html(cards.large(_client().item(state.item), state))
    except SearchFailed as failure:
        _tell(failure)


def _what_was_asked(state: SearchState, photo: bytes | None, answer: Answer) -> str:
    parts = []
    if answer.query:
        parts.append(f"“{answer.query}”")
    if photo is not None:
        parts.append("your photo")
    if state.like:
        parts.append(f"items like {state.like}")
    return f"Results for {' and '.join(parts)}. The bar shows how close each comes to the best one."


def _nothing_found(state: SearchState) -> None:
    if state.filters:
        st.info("Nothing in the catalogue passes these filters.")
        without = SearchState(**{**state.__dict__, "filters": {}})
        st.button("Search without filters", on_click=lambda: st.query_params.from_dict(without.params()))
    else:
        st.info("Nothing found: the catalogue is empty. Load one, then search again.")


def _tell(failure: SearchFailed) -> None:
    if failure.retry:
        st.warning(failure.message)
        st.button("Try again")
    else:
        st.error(failure.message)


main()
