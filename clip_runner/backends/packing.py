"""Linear layers in the order in which oneDNN multiplies them in bfloat16, once instead of at each pass.

torch lays out a layer's weights anew for each product, which is most of what a small pass costs: a text alone takes 0.6
of the time (ViT-B/32), 16 photos 0.9. The activation between the two layers of a feed-forward block is computed with
the first of them. The operators are those that torch's own compiler uses for it; where this torch, or this processor,
does not have them, layers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from loguru import logger
from torch import nn
from transformers.activations import GELUActivation, GELUTanh, QuickGELUActivation

_Activation = tuple[str, str]  # oneDNN's name, and the way to compute it
_NONE: _Activation = ("none", "")
_GELU: _Activation = ("gelu", "none")
_GELU_TANH: _Activation = ("gelu", "tanh")
_SWISH: _Activation = ("swish", "")
# quick_gelu is x * sigmoid(1.702 x): the "swish" of 1.702 x, divided by 1.702.
_QUICK_GELU = 1.702


@cache
def _product() -> Any:
    """The operator, in a function of TorchScript: as it is, it cannot be recorded, for its empty list."""
    return torch.jit.CompilationUnit("""
def of(values: Tensor, weight: Tensor, bias: Optional[Tensor], activation: str, algorithm: str) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(values, weight, bias, activation, [], algorithm)
""")


def packs() -> bool:
    """Whether this torch can, on this processor: tried out."""
    try:
        if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        for activation in (_NONE, _GELU, _GELU_TANH, _SWISH):
            PackedLinear(nn.Linear(16, 16), activation)(torch.ones(1, 16))
    except (AttributeError, RuntimeError, TypeError) as error:  # a torch that has not got them, or other ones
        logger.info("layers are not packed: {}", error)
        return False
    return True


class PackedLinear(nn.Module):
    """A linear layer in bfloat16, and an activation that follows it."""

    def __init__(
        self, layer: nn.Linear, activation: _Activation = _NONE, *, weight_by: float = 1.0, bias_by: float = 1.0
    ) -> None:
        """`weight_by`, `bias_by`: what they are multiplied by before they are rounded."""
        super().__init__()
        # Buffers, since what is neither that nor a parameter cannot be recorded (`clip_runner.backends.scripts`).
        self.register_buffer("weight", torch.ops.mkldnn._reorder_linear_weight(_rounded(layer.weight, weight_by)))
        self.register_buffer("bias", None if layer.bias is None else _rounded(layer.bias, bias_by))
        self._activation, self._algorithm = activation

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = _product().of(
            values.to(torch.bfloat16), self.weight, self.bias, self._activation, self._algorithm
        )
        return product

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> PackedLinear:  # noqa: ARG002
        return self  # nothing may convert it, or take its weight for a matrix in rows


def pack(model: nn.Module) -> None:
    """Replace the linear layers of a model in float32; its other parts stay what they are."""
    for module in list(model.modules()):
        _pack_block(module)
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear:  # one of a subclass may be used in another way
                setattr(module, name, PackedLinear(layer))


def _pack_block(module: Any) -> None:
    """A feed-forward block, as transformers writes it, with its activation; anything else is left alone."""
    first, second = getattr(module, "fc1", None), getattr(module, "fc2", None)
    if type(first) is not nn.Linear or type(second) is not nn.Linear:
        return
    activation = type(getattr(module, "activation_fn", None))
    if activation is GELUActivation:
        module.fc1 = PackedLinear(first, _GELU)
    elif activation is GELUTanh:
        module.fc1 = PackedLinear(first, _GELU_TANH)
    elif activation is QuickGELUActivation:
        module.fc1 = PackedLinear(first, _SWISH, weight_by=_QUICK_GELU, bias_by=_QUICK_GELU)
        module.fc2 = PackedLinear(second, weight_by=1 / _QUICK_GELU)
    else:
        return
    module.activation_fn = nn.Identity()


def _rounded(values: torch.Tensor, by: float) -> torch.Tensor:
    values = values.detach()
    return (values if by == 1 else values * by).to(torch.bfloat16)
