"""`make run`: start the whole system on this machine, and end it with Ctrl-C."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from environment import from_environment
from local.processes import ChildFailed
from local.settings import LocalSettings
from local.stack import PortTaken, Stack


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # a command line talks to its user


def _stop(number: int, _: FrameType | None) -> None:
    # Asked twice is as good as once: the children are being ended already.
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def main() -> int:
    """Start, report, wait; the exit code is 1 when a part could not start or ended by itself."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    with Stack(from_environment(LocalSettings), _say) as stack:
        try:
            stack.start()
            _say(
                f"\nready\n  search page  {stack.ui_url}\n  API          {stack.api_url}  (Swagger UI)\n"
                "Ctrl-C ends all of it."
            )
            stack.wait()
        except (PortTaken, ChildFailed) as error:
            print(f"make run: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return 1
        except KeyboardInterrupt:
            _say("\nending ...")
    return 0


if __name__ == "__main__":
    sys.exit(main())
