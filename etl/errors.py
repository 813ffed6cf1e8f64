"""What can go wrong in a load."""

from __future__ import annotations


class EtlError(Exception):
    """The load cannot go on; the message says in one line why and what to do."""


class RecordError(Exception):
    """One photo cannot be loaded; it goes to the dead letters with this code and reason, the load goes on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
