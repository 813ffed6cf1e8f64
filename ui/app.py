"""The search page. Start it with `python -m streamlit run ui/app.py` from the top folder."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from telemetry.logs import LogSettings, configure_logs
from ui import bridge, form, views
from ui.client import SearchClient, SearchFailed
from ui.metrics import Metrics, process_metrics
from ui.settings import UiSettings
from ui.state import SearchState


@st.cache_resource
def _settings() -> UiSettings:
    return UiSettings()


@st.cache_resource
def _logs() -> None:
    # Once a process: each visit runs this file again.
    configure_logs("ui", LogSettings(), [_settings().ui_api_key.get_secret_value()])


@st.cache_resource
def _metrics() -> Metrics:
    return process_metrics(_settings().ui_metrics_host, _settings().ui_metrics_port)


@st.cache_resource
def _client() -> SearchClient:
    return SearchClient(_settings(), _metrics())


@st.cache_data(ttl=60, show_spinner=False)
def _facets() -> dict[str, list[dict[str, Any]]]:
    return _client().facets()


# Links in cached answers must outlive the cache: by default a link is good for 54 minutes at least.
@st.cache_data(ttl=300, show_spinner=False)
def _examples(examples: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    found = [(words, _client().search(query=words, top_k=1).results) for words in examples]
    return [(words, results[0]) for words, results in found if results]


def main() -> None:
    """Draw the page for the search in the address bar."""
    begun = time.perf_counter()
    _logs()
    settings, metrics, client = _settings(), _metrics(), _client()
    st.set_page_config(page_title=settings.ui_title, page_icon="👗", layout="centered")
    st.html(Path(__file__).with_name("style.css"))
    bridge.mount(lambda link: form.go(SearchState.from_link(link)), form.search_with, title=settings.ui_title)
    state = SearchState.from_params(st.query_params.to_dict())
    st.html(f'<header><h1 class="fs-name"><a data-go="top" href="?">{escape(settings.ui_title)}</a></h1></header>')
    try:
        facets = _facets()
    except SearchFailed:
        facets = {}  # the search itself will tell
    form.draw(state, facets)
    view = "item" if state.item else "welcome" if state.empty else "results"
    try:
        if view == "item":
            views.item(state, client)
        elif view == "welcome":
            views.welcome(_examples(settings.ui_examples))
        else:
            views.results(state, client, metrics)
    except SearchFailed as failure:
        views.failed(failure, state)
    metrics.page_seconds.labels(view).observe(time.perf_counter() - begun)


main()
