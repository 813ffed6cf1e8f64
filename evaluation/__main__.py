"""`python -m evaluation`: a mistake becomes one line, and exit code 1."""

from __future__ import annotations

import sys

from evaluation.command import app
from evaluation.errors import EvaluationError


def main() -> int:
    try:
        app(standalone_mode=True)
    except EvaluationError as error:
        print(f"evaluation: {error}", file=sys.stderr)  # noqa: T201  # a command line talks to its user
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
