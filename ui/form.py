"""The search form. Each change of it becomes a change of the address; the address fills it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import streamlit as st
from PIL.Image import DecompressionBombError

from ui.photos import remember
from ui.state import PAGE, SearchState

_TYPES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"]
_COUNTS = [PAGE, 2 * PAGE, 4 * PAGE]

Facets = dict[str, list[dict[str, Any]]]
_MOST_VALUES = 60  # a field with more values is no help as a list to choose from


def go(state: SearchState) -> None:
    """Make `state` the search of the address bar."""
    st.query_params.from_dict(state.params())


def photos() -> dict[str, bytes]:
    """The photos of this visit, by the name that the address carries."""
    kept: dict[str, bytes] = st.session_state.setdefault("photos", {})
    return kept


def search_with(data: bytes) -> None:
    """Search with a photo; words stay and join it."""
    here = SearchState.from_params(st.query_params.to_dict())
    go(here.with_(photo=remember(photos(), data), like="", item="", count=PAGE))
    # A fresh upload box: the photo's own place is above it.
    st.session_state.uploads = st.session_state.get("uploads", 0) + 1


def draw(state: SearchState, facets: Facets) -> None:
    """Draw the form for a search. `facets` may be empty; then only the filters in force can be dropped."""
    _fill(state)
    with st.form("search", border=False):
        words, button = st.columns([5, 1], vertical_alignment="bottom")
        words.text_input("What are you looking for?", key="words", max_chars=2000,
                         placeholder="Try “burgundy corduroy jacket”")  # fmt: skip
        button.form_submit_button("Search", type="primary", width="stretch", on_click=_asked)
    with st.container(horizontal=True, key="tools"):
        # A new key with each photo, so that the box closes when it has one.
        key = f"photo {st.session_state.get('uploads', 0)}"
        with st.popover("Photo", icon=":material/photo_camera:", type="tertiary", key=key):
            _photo_box()
        chosen = sum(len(values) for values in state.filters.values())
        with st.popover(f"Filters ({chosen})" if chosen else "Filters", icon=":material/tune:", type="tertiary"):
            _filter_box(state, facets)
    if state.photo in photos():
        _photo_chip(state)
    if state.mixed:
        st.slider("Words or picture: what counts more?", 0, 100, key="weight", step=10, format="%d %% words",
                  on_change=lambda: _changed(weight=st.session_state.weight / 100))  # fmt: skip


def _fill(state: SearchState) -> None:
    """Put the address' search into the widgets, once for each address: in between they belong to the shopper."""
    if st.session_state.get("filled") == state.params() and "words" in st.session_state:
        # Streamlit drops the state of widgets that a run did not draw.
        st.session_state.setdefault("weight", round(state.weight * 100))
        return
    st.session_state.filled = state.params()
    st.session_state.words = state.words
    st.session_state.weight = round(state.weight * 100)
    st.session_state.count = min(_COUNTS, key=lambda count: abs(count - state.count))
    for name in [str(key) for key in st.session_state if str(key).startswith("filter ")]:
        st.session_state[name] = state.filters.get(name.removeprefix("filter "), [])


def _asked() -> None:
    here = SearchState.from_params(st.query_params.to_dict())
    # Words after "more like this" begin a new search; beside a photo they join it.
    go(here.with_(words=st.session_state.words.strip(), like="", item="", count=PAGE))


def _changed(**changes: Any) -> None:
    go(SearchState.from_params(st.query_params.to_dict()).with_(**changes))


def _photo_box() -> None:
    nonce = st.session_state.get("uploads", 0)
    st.file_uploader("Upload a photo", type=_TYPES, key=f"upload {nonce}", on_change=_take(f"upload {nonce}"))
    st.write("You can also paste a copied photo anywhere on this page.")
    if st.toggle("Use the camera", key=f"use camera {nonce}"):
        st.camera_input("Take a photo", key=f"camera {nonce}", on_change=_take(f"camera {nonce}"))


def _take(key: str) -> Callable[[], None]:
    def take() -> None:
        if (upload := st.session_state.get(key)) is not None:
            search_with(upload.getvalue())

    return take


def _counted(counts: dict[str, int]) -> Callable[[str], str]:
    """Writes a value with the number of its items."""
    return lambda value: f"{value} ({counts.get(value, 0)})"


def _filter_box(state: SearchState, facets: Facets) -> None:
    st.segmented_control("Results", _COUNTS, key="count", required=True,
                         on_change=lambda: _changed(count=st.session_state.count))  # fmt: skip
    usable = {name: pairs for name, pairs in facets.items() if 1 < len(pairs) <= _MOST_VALUES}
    for name, pairs in usable.items():
        counts = {pair["value"]: pair["count"] for pair in pairs}
        key = f"filter {name}"
        # A shared link may hold a value that the catalogue no longer has: it stays visible, and can be dropped.
        options = list(dict.fromkeys([*counts, *state.filters.get(name, [])]))
        if key not in st.session_state:
            st.session_state[key] = state.filters.get(name, [])
        st.multiselect(
            name.replace("_", " ").capitalize(),
            options,
            key=key,
            format_func=_counted(counts),
            on_change=_filtered,
            args=(tuple(usable),),
        )
    if state.filters:
        st.button("Clear all filters", on_click=lambda: _changed(filters={}, count=PAGE))


def _filtered(names: tuple[str, ...]) -> None:
    here = SearchState.from_params(st.query_params.to_dict())
    others = {name: values for name, values in here.filters.items() if name not in names}
    chosen = {name: st.session_state[f"filter {name}"] for name in names if st.session_state.get(f"filter {name}")}
    go(here.with_(filters=others | chosen, item="", count=PAGE))


def _photo_chip(state: SearchState) -> None:
    with st.container(key="chip"):
        preview, told, remove = st.columns([1, 6, 2], vertical_alignment="center")
        # No preview of what cannot be opened; the search tells why.
        with suppress(OSError, ValueError, DecompressionBombError):
            preview.image(photos()[state.photo], width=64, alt="Your photo")
        told.html('<p class="fs-fields">Searching with your photo. A shared link carries words, filters and “more like '
                  "this”, but not the photo.</p>")  # fmt: skip
        remove.button("Remove photo", type="tertiary", icon=":material/close:",
                      on_click=lambda: _changed(photo="", count=PAGE))  # fmt: skip
