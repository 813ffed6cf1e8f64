"""Whoever answers requests comes before the model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_TELL = """
import os, threading
from pathlib import Path
from clip_runner.priority import step_back

def tell():
    called.wait()
    of_threads.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

called, of_threads = threading.Event(), []
threads = [threading.Thread(target=tell) for _ in range(2)]
threads[0].start()
step_back()
threads[1].start()
called.set()
for thread in threads:
    thread.join()
group = Path("/proc/self/autogroup")
print(os.getpriority(os.PRIO_PROCESS, 0), *of_threads, *(group.read_text().split()[-1:] if group.exists() else []))
"""


@pytest.mark.parametrize("own_session", [True, False])
def test_the_model_takes_what_others_leave(own_session: bool) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    group = Path("/proc/self/autogroup")
    usual_of_session = group.read_text().split()[-1:] if group.exists() else []
    done = subprocess.run(
        [sys.executable, "-c", _TELL], cwd=ROOT, start_new_session=own_session,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    mine, before, after, *of_session = done.stdout.split()
    assert int(mine) == int(before) == int(after) == min(19, usual + 5)
    if of_session:  # where the system has such groups
        assert of_session == (["5"] if own_session else usual_of_session)
