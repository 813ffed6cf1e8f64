"""What only the browser can do: links without a new page, photos from the clipboard, links that expired."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent


@st.cache_resource
def _component() -> Any:
    # Registered once: Streamlit warns about a second component of this name.
    return st.components.v2.component("page_bridge", js=(_FOLDER / "bridge.js").read_text(encoding="utf-8"))


def mount(go: Callable[[str], None], paste: Callable[[bytes], None], *, title: str) -> None:
    """Put the bridge into the page; `go` gets the link that was clicked, `paste` the photo that was pasted."""

    def went() -> None:
        if link := st.session_state.bridge.get("go"):
            go(str(link))

    def pasted() -> None:
        try:
            data = base64.b64decode(str(st.session_state.bridge.get("pasted") or ""), validate=True)
        except binascii.Error:
            return
        if data:
            paste(data)

    with st.container(key="unseen"):
        _component()(
            key="bridge",
            data={"title": title},
            on_go_change=went,
            on_pasted_change=pasted,
            on_expired_change=lambda: None,  # running the page again signs the links again
        )
