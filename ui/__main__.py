"""Starts the page: `python -m ui` with Streamlit's options.

Streamlit runs app.py only when somebody visits. The metrics answer from the start, so that a page without visitors does
not look like one that is down.
"""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.web import cli

from environment import from_environment
from ui.metrics import process_metrics
from ui.settings import UiSettings

if __name__ == "__main__":
    settings = from_environment(UiSettings)
    process_metrics(settings.ui_metrics_host, settings.ui_metrics_port)
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("app.py")), *sys.argv[1:]]
    cli.main()
