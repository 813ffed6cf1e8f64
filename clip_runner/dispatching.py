"""How calls become batches: whatever has come goes to the model as soon as it is free."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

from bentoml._internal.marshal.dispatcher import CorkDispatcher, Optimizer


class _Zero:
    """An attribute that stays zero, whatever is learnt."""

    def __get__(self, _instance: object, _owner: type) -> float:
        return 0.0

    def __set__(self, _instance: object, _value: float) -> None:
        return None


def dispatch_at_once() -> None:
    """Keep BentoML's dispatcher from holding a call back in the hope of company.

    It guesses how long to wait from the calls before (bentoml 1.4.39: up to 11 s while it trains), counting calls
    and not the items in them: after a load of 32 photos a call, a single photo waited for seconds beside an idle
    model. Calls that come while the model works still share the next batch, so that nothing is lost by not waiting.
    """
    for learnt in ("o_a", "o_b", "wait"):
        setattr(Optimizer, learnt, _Zero())


def meter_queue(observe: Callable[[float], None]) -> None:
    """Tell `observe` how long each call has waited, in seconds, when its batch begins.

    BentoML keeps when a call came (bentoml 1.4.39: `Job.enqueue_time`) and shows it in no metric.
    """
    begin = CorkDispatcher.outbound_call

    async def metered(dispatcher: Any, calls: tuple[Any, ...], training: bool = False) -> None:
        now = time()
        for call in calls:
            observe(max(0.0, now - call.enqueue_time))
        await begin(dispatcher, calls, training)

    CorkDispatcher.outbound_call = metered
