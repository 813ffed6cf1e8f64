"""Who comes first where the model computes on the cores that requests are answered on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_NICE = 5


def step_back() -> None:
    """Let this process' threads, and those that they make, take what others leave of the cores.

    A batch takes what it takes; what a request needs before and after it, and a probe, is a few milliseconds that
    should not wait for a core behind batches. On a machine with nothing else to do the model is as fast as ever.
    """
    threads = Path("/proc/self/task")  # Linux; there a priority is a thread's, elsewhere the process'
    for thread in [int(one.name) for one in threads.iterdir()] if threads.exists() else [0]:
        with suppress(OSError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICE))
    if os.getsid(0) == os.getpid():
        # Linux' autogroup shares the cores among sessions first, and BentoML gives each process one of its own; a
        # session that is somebody else's too is left alone. Not there in containers, where priorities are enough.
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICE))
