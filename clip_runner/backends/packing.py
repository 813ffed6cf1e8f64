"""Linear layers in the order in which oneDNN multiplies them in bfloat16, once instead of at each pass.

torch lays out a layer's weights anew for each product, which is most of what a small pass costs: a text alone takes 0.6
of the time (ViT-B/32), 16 photos 0.9. The activation between the two layers of a feed-forward block is computed with
the first of them. The operators are those that torch's own compiler uses for it; where this torch, or this processor,
does not have them, layers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import torch
from loguru import logger
from torch import nn
from transformers.activations import GELUActivation, GELUTanh, QuickGELUActivation

_Found = tuple[nn.Module, str, Callable[[nn.Linear], nn.Module]]  # where a layer is, and what packs it
_Activation = tuple[str, str]  # oneDNN's name, and the way to compute it
_NONE: _Activation = ("none", "")
_GELU: _Activation = ("gelu", "none")
_GELU_TANH: _Activation = ("gelu", "tanh")
_SWISH: _Activation = ("swish", "")
# quick_gelu is x * sigmoid(1.702 x): the "swish" of 1.702 x, divided by 1.702.
_QUICK_GELU = 1.702


@cache
def _functions() -> Any:
    """In TorchScript, since the operator as it is cannot be recorded, for its empty list."""
    return torch.jit.CompilationUnit("""
def rounded_up(rows: int) -> int:
    step = 1
    if rows > 16:
        step = 16
        while 32 * step < rows:
            step *= 2
    return (rows + step - 1) // step * step

def product(
    values: Tensor, weight: Tensor, bias: Optional[Tensor], activation: str, algorithm: str, any_rows: bool
) -> Tensor:
    width = values.size(-1)
    rows = values.numel() // width
    given_rows = rows if any_rows else rounded_up(rows)
    if given_rows == rows:
        given = values.to(torch.bfloat16)
        return torch.ops.mkldnn._linear_pointwise(given, weight, bias, activation, [], algorithm)
    given = torch.empty([given_rows, width], dtype=torch.bfloat16)
    given[:rows].copy_(values.reshape(rows, width))
    made = torch.ops.mkldnn._linear_pointwise(given, weight, bias, activation, [], algorithm)
    shape = values.size()
    shape[-1] = made.size(-1)
    return made[:rows].view(shape)
""")


def rounded_up(rows: int) -> int:
    """How many rows are multiplied for so many: up to 16 as many, then the next multiple of 16; above 512 of 32, ...

    For each number of rows oneDNN makes a program of its own and keeps the last thousand: 6 ms for a pass over texts of
    ViT-B/32 in a new shape, and 2.4 MB. After 500 shapes of texts that was 690 MB; with few numbers of rows it is 140,
    and 1.4 ms. Where the processor multiplies 16 rows at a time, those that are added cost little by themselves.
    """
    return int(_functions().rounded_up(rows))


def packs() -> bool:
    """Whether this torch can, on this processor: tried out."""
    try:
        if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        for activation in (_NONE, _GELU, _GELU_TANH, _SWISH):
            PackedLinear(nn.Linear(16, 16), activation)(torch.ones(17, 16))
    except (AttributeError, RuntimeError, TypeError) as error:  # a torch that has not got them, or other ones
        logger.info("layers are not packed: {}", error)
        return False
    return True


class PackedLinear(nn.Module):
    """A linear layer in bfloat16, and an activation that follows it."""

    def __init__(
        self,
        layer: nn.Linear,
        activation: _Activation = _NONE,
        *,
        weight_by: float = 1.0,
        bias_by: float = 1.0,
        any_rows: bool = False,
    ) -> None:
        """Args:
        weight_by, bias_by: what they are multiplied by before they are rounded.
        any_rows: as many rows as are given are multiplied, and not `rounded_up`.
        """
        super().__init__()
        # Buffers, since what is neither that nor a parameter cannot be recorded (`clip_runner.backends.scripts`).
        self.register_buffer("weight", torch.ops.mkldnn._reorder_linear_weight(_rounded(layer.weight, weight_by)))
        self.register_buffer("bias", None if layer.bias is None else _rounded(layer.bias, bias_by))
        self._activation, self._algorithm = activation
        self._any_rows = any_rows

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = _functions().product(
            values, self.weight, self.bias, self._activation, self._algorithm, self._any_rows
        )
        return product

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> PackedLinear:  # noqa: ARG002 - as Module has it
        return self  # nothing may convert it, or take its weight for a matrix in rows


def pack(model: nn.Module, threads: int = 1) -> None:
    """Replace the linear layers of a model in float32, in so many threads; its other parts stay what they are.

    Those of its `vision_model` multiply as many rows as they are given: photos are all as long, and come in few numbers
    at once.
    """
    vision = getattr(model, "vision_model", None)
    seeing = set(vision.modules()) if isinstance(vision, nn.Module) else set()
    layers = [found for module in list(model.modules()) for found in _layers_of(module, any_rows=module in seeing)]

    def replace(found: _Found) -> None:
        torch.set_num_threads(1)
        module, name, packed = found
        setattr(module, name, packed(getattr(module, name)))

    # A layer to a thread: what this takes is memory that is touched for the first time, which one thread does alone.
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(replace, layers):
            pass  # raises what failed


def _layers_of(module: Any, *, any_rows: bool) -> Iterator[_Found]:
    """The module's own linear layers, and how each is packed.

    Those of a feed-forward block, as transformers writes it, take the activation between them along.
    """
    how: dict[str, Callable[[nn.Linear], PackedLinear]] = {}
    packed = partial(PackedLinear, any_rows=any_rows)
    first, second = getattr(module, "fc1", None), getattr(module, "fc2", None)
    if type(first) is nn.Linear and type(second) is nn.Linear:
        activation = type(getattr(module, "activation_fn", None))
        if activation is GELUActivation:
            how["fc1"] = partial(packed, activation=_GELU)
        elif activation is GELUTanh:
            how["fc1"] = partial(packed, activation=_GELU_TANH)
        elif activation is QuickGELUActivation:
            how["fc1"] = partial(packed, activation=_SWISH, weight_by=_QUICK_GELU, bias_by=_QUICK_GELU)
            how["fc2"] = partial(packed, weight_by=1 / _QUICK_GELU)
        if how:
            module.activation_fn = nn.Identity()
    for name, layer in module.named_children():
        if type(layer) is nn.Linear:  # one of a subclass may be used in another way
            yield module, name, how.get(name, packed)


def _rounded(values: torch.Tensor, by: float) -> torch.Tensor:
    values = values.detach()
    return (values if by == 1 else values * by).to(torch.bfloat16)
