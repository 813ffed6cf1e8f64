"""Who comes first where the model computes on the cores that requests are answered on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from time import sleep

_NICE = 5
_ATTEMPTS = 5
_PAUSE = 0.11  # seconds


def step_back() -> None:
    """Give this process' threads, and those that they make, a third of the share of whoever else wants a core.

    A batch takes what it takes; what a request needs before and after it, and a probe, is a few milliseconds that
    should not wait for a core behind batches. Where nobody else wants a core the model is as fast as ever.
    """
    threads = Path("/proc/self/task")  # Linux; there a priority is a thread's, elsewhere the process'
    for thread in [int(one.name) for one in threads.iterdir()] if threads.exists() else [0]:
        with suppress(OSError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICE))
    if os.getsid(0) == os.getpid():
        # Linux' autogroup shares the cores among sessions first, and BentoML gives each process one of its own; a
        # session that is somebody else's too is left alone. Without effect in containers with a share of the processor.
        for _ in range(_ATTEMPTS):
            try:
                Path("/proc/self/autogroup").write_text(str(_NICE))
                break
            except BlockingIOError:  # one such change a tenth of a second, for all processes without privileges
                sleep(_PAUSE)
            except OSError:
                break  # no such groups here
