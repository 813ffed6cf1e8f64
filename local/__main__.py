"""`make run`: start the whole system on this machine, and end it with Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys
from types import FrameType

from catalog.errors import CatalogError
from environment import from_environment
from local.claims import Claimed
from local.processes import ENDINGS, ChildFailed
from local.settings import LocalSettings
from local.stack import Stack


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed listens no more
        print(text, flush=True)  # noqa: T201  # a command line talks to its user


def _stop(_number: int, _frame: FrameType | None) -> None:
    _ignore_endings()
    raise KeyboardInterrupt


def _ignore_endings() -> None:
    """From here on all is being ended anyway, and must not be interrupted in that."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def main() -> int:
    """Start, report, wait; the exit code is 1 when a part could not start or ended by itself."""
    stack = Stack(from_environment(LocalSettings), _say)
    for number in ENDINGS:
        signal.signal(number, _stop)
    try:
        stack.start()
        _say(
            f"\nready\n  search page  {stack.ui_url}\n  API          {stack.api_url}  (Swagger UI)\n"
            "Ctrl-C ends all of it."
        )
        stack.wait()
    except (Claimed, ChildFailed, CatalogError) as error:
        _say(f"make run: {error}")
        return 1
    except KeyboardInterrupt:
        _say("\nending ...")
    finally:
        _ignore_endings()
        stack.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
