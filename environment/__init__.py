"""Reading a process's settings at its start: a mistake in them is a line for people, not a traceback."""

from __future__ import annotations

import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

Settings = TypeVar("Settings", bound=BaseSettings)


def from_environment(kind: type[Settings]) -> Settings:
    """The settings of the environment and `.env`; ends the program with a line for each that makes no sense.

    Values are not repeated: one of them may be a secret.
    """
    try:
        return kind()
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(mistake["loc"][0]).upper() if mistake["loc"] else kind.__name__
            reason = mistake["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            print(f"settings: {name}: {reason}; see .env.example", file=sys.stderr)  # noqa: T201  # before any log
        raise SystemExit(1) from None
