"""torch and transformers without what compiles models and spreads them over machines: half of their import.

Nothing here is compiled or distributed, yet transformers imports torch's compiler to mark what it must not compile, and
all of `torch.distributed`. Without them a process starts 1.1 s sooner and is 45 MB smaller (torch 2.13, transformers
5.23).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


def _unmarked(function: Any = None, *_: Any, **__: Any) -> Any:
    """The function as it is; a mark with arguments alone marks what follows it."""
    return function if function is not None else _unmarked


_COMPILER = "torch._dynamo"
_MARKS = dict.fromkeys(("disable", "allow_in_graph", "assume_constant_result"), _unmarked)


@contextmanager
def lean_torch() -> Iterator[None]:
    """Import transformers and load models in here, in a process that compiles and distributes nothing.

    Where something does ask for the compiler, in here or later, it is imported then. `torch.distributed` stays
    unavailable, as in a torch that was built without it: transformers has been loaded so.
    """
    import torch

    # Both are modules, but mypy knows functions of modules as what cannot be set.
    distributed, marks = vars(torch.distributed), vars(torch.compiler)
    distributed["is_available"] = lambda: False
    of_torch = {mark: marks[mark] for mark in _MARKS}
    marks.update(_MARKS)
    _leave_out()
    try:
        yield
    finally:
        marks.update(of_torch)
        _no_longer_leave_out()


class _LeftOut(ModuleType):
    """Stands for the compiler: its submodules can be imported from it, and whatever else it is asked for loads it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _no_longer_leave_out()
        return getattr(import_module(_COMPILER), name)


def _leave_out() -> None:
    import torch

    spec = find_spec(_COMPILER)
    if spec is None or _COMPILER in sys.modules:
        return
    module = module_from_spec(spec)
    module.__class__ = _LeftOut
    vars(module).update(_MARKS)  # torch asks for them, too, where it makes the parts of a model
    sys.modules[_COMPILER] = vars(torch)["_dynamo"] = module


def _no_longer_leave_out() -> None:
    """Whoever imports the compiler from now on gets all of it; its few submodules that are in use stay so."""
    import torch

    if isinstance(sys.modules.get(_COMPILER), _LeftOut):
        for name in [name for name in list(sys.modules) if name.startswith(f"{_COMPILER}.")]:
            # One that is just being imported, and asked for this, must be there when it has been.
            if not getattr(sys.modules[name].__spec__, "_initializing", False):
                del sys.modules[name]
        del sys.modules[_COMPILER]
        vars(torch).pop("_dynamo", None)
