"""Two models of one run, mixed: `python -m clip_runner.mini.mix FIRST SECOND OUT [SHARE]`.

A run that goes on learns what the photos that it sees most teach, and forgets a little of the rest. Weights between two
of its ends can keep both (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

_WEIGHTS = "model.safetensors"


def mix(first: Path, second: Path, out: Path, share: float) -> None:
    """Write a folder like `second` whose weights are 1 - `share` of the first's and `share` of its own.

    Raises:
        ValueError: they are not of one form.
    """
    one, other = load_file(first / _WEIGHTS), load_file(second / _WEIGHTS)
    if {name: value.shape for name, value in one.items()} != {name: value.shape for name, value in other.items()}:
        raise ValueError(f"{first} and {second} are not of one form")
    mixed = {name: one[name].float().lerp(value.float(), share).to(value.dtype) for name, value in other.items()}
    shutil.copytree(second, out, dirs_exist_ok=True)
    save_file(mixed, out / _WEIGHTS, {"format": "pt"})


def main(arguments: list[str]) -> int:
    """The command; 2 where it is written wrongly."""
    if len(arguments) not in (3, 4):
        sys.stderr.write("usage: python -m clip_runner.mini.mix FIRST SECOND OUT [SHARE]\n")
        return 2
    first, second, out = map(Path, arguments[:3])
    mix(first, second, out, float(arguments[3]) if len(arguments) == 4 else 0.5)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
