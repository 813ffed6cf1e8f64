"""How a long run ends: a line for each thing that was wrong, and one of figures."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def tell(done: object, troubles: Sequence[str]) -> int:
    """Print what `done` came to; the exit status tells whether all was well."""
    for trouble in troubles:
        sys.stdout.write(f"WRONG: {trouble}\n")
    sys.stdout.write(f"{done}; {f'{len(troubles)} things wrong' if troubles else 'all well'}\n")
    return 1 if troubles else 0
