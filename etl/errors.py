"""What can go wrong in a load."""

from __future__ import annotations


class EtlError(Exception):
    """The load cannot go on; the message says in one line why and what to do."""


class Stopped(Exception):
    """This thread ends because the load does: by a failure elsewhere, or because it was told to."""


class RecordError(Exception):
    """One photo cannot be loaded; it goes to the dead letters with this code and reason, the load goes on.

    `lasting`: the photo itself is to blame, so that the same bytes need not be tried again.
    """

    def __init__(self, code: str, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.lasting = lasting
