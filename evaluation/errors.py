"""What can go wrong in a measurement, in one sentence each."""

from __future__ import annotations


class EvaluationError(Exception):
    """A measurement that cannot be made; the message says what to do."""
