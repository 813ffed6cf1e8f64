"""What the page shows below the form: the first visit, results, one item, and what went wrong."""

from __future__ import annotations

import time
from html import escape
from typing import Any

import streamlit as st

from ui import cards
from ui.client import Answer, SearchClient, SearchFailed
from ui.form import go, photos
from ui.metrics import Metrics
from ui.state import MOST, PAGE, SearchState

_MOST_WAIT = 30.0


def welcome(pictures: list[tuple[str, dict[str, Any]]]) -> None:
    """The first visit: searches to click on."""
    st.html('<p class="fs-lead">Describe a piece of clothing in your own words, or add a photo of one. '
            "To begin with:</p>")  # fmt: skip
    if pictures:
        st.html(cards.examples(pictures))
    else:
        st.info("The catalogue is empty. Load one, then search it here.")


def results(state: SearchState, client: SearchClient, metrics: Metrics) -> None:
    """Search, and show what was found. SearchFailed when the service does not answer with results."""
    if state.photo and state.photo not in photos():
        metrics.searches.labels("photo_missing").inc()
        _photo_missing(state)
        return
    try:
        with st.spinner("Searching …"):
            answer = client.search(
                photo=photos().get(state.photo),
                query=state.words,
                like=state.like,
                text_weight=state.weight if state.mixed else None,
                top_k=state.count,
                filters=state.filters,
            )
    except SearchFailed as failure:
        metrics.searches.labels(failure.kind).inc()
        raise
    metrics.searches.labels("found" if answer.results else "nothing").inc()
    st.session_state.pop("attempts", None)
    st.html(f'<p class="fs-asked" role="status">{_what_was_asked(state, answer)}</p>')
    if not answer.results:
        _nothing_found(state)
        return
    st.html(cards.grid(answer.results, state))
    with st.container(horizontal=True, horizontal_alignment="center", key="end"):
        if answer.has_more and state.count < MOST:
            st.button("Show more", on_click=go, args=(state.with_(count=min(MOST, state.count + PAGE)),))
        else:
            st.caption("That is all that was found." if not answer.has_more else "These are the closest 99.")
    st.caption("The bar under each photo shows how close it comes to the best match of this search. It compares "
               "results with each other; it is not a percentage of certainty.")  # fmt: skip


def item(state: SearchState, client: SearchClient) -> None:
    """One item, large. SearchFailed when it is not there."""
    found = client.item(state.item)
    st.session_state.pop("attempts", None)
    st.html(cards.large(found, state))


def failed(failure: SearchFailed, state: SearchState) -> None:
    """Say what is wrong in plain words, and try again by itself where that may help."""
    if failure.kind == "photo":
        st.warning(failure.message, icon=":material/broken_image:")
        st.button("Search without the photo", on_click=go, args=(state.with_(photo=""),))
        return
    if failure.kind == "gone":
        st.info(failure.message, icon=":material/search_off:")
        st.button("Back to the search", on_click=go, args=(state.with_(item="", like=""),))
        return
    if not failure.wait:
        st.warning(failure.message, icon=":material/block:")
        return
    attempts = st.session_state.get("attempts", 0)
    st.session_state.attempts = attempts + 1
    wait = min(_MOST_WAIT, failure.wait * 1.5**attempts)
    st.warning(f"{failure.message} Your search is kept; the page tries again by itself.", icon=":material/schedule:")
    st.button("Try again now")
    _again(wait, time.monotonic() + wait)


def _again(wait: float, due: float) -> None:
    @st.fragment(run_every=wait)
    def again() -> None:
        # The fragment runs at once, too; a tick may come a little early.
        if time.monotonic() >= due - 0.5:
            st.rerun()

    again()


def _what_was_asked(state: SearchState, answer: Answer) -> str:
    parts = []
    if answer.query:
        parts.append(f"<strong>“{escape(answer.query)}”</strong>")
    if state.photo:
        parts.append("<strong>your photo</strong>")
    if state.like:
        parts.append(f"items like <strong>{escape(state.like)}</strong>")
    chosen = [str(value) for values in state.filters.values() for value in values]
    among = f", only {escape(', '.join(chosen))}" if chosen else ""
    return f"Results for {' and '.join(parts)}{among}"


def _nothing_found(state: SearchState) -> None:
    if state.filters:
        st.info("Nothing in the catalogue passes these filters together.", icon=":material/search_off:")
        st.button("Search without filters", type="primary", on_click=go, args=(state.with_(filters={}),))
    else:
        st.info("Nothing found: the catalogue is empty. Load one, then search again.", icon=":material/search_off:")


def _photo_missing(state: SearchState) -> None:
    st.info("This search was made with a photo, and a link cannot carry one. Add the photo again to repeat it.",
            icon=":material/image_search:")  # fmt: skip
    if state.words:
        st.button("Search by the words alone", on_click=go, args=(state.with_(photo=""),))
