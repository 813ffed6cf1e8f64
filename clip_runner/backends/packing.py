"""Linear layers in the order in which oneDNN multiplies them in bfloat16, once instead of at each pass.

torch lays out a layer's weights anew for each product, which is most of what a small pass costs: a text alone takes 0.6
of the time (ViT-B/32), 16 photos 0.9. The activation between the two layers of a feed-forward block is computed with
the first of them. The operators are those that torch's own compiler uses for it; where this torch, or this processor,
does not have them, layers stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.activations import GELUActivation, GELUTanh, QuickGELUActivation

# quick_gelu is x * sigmoid(1.702 x): the "swish" of 1.702 x, divided by 1.702.
_QUICK_GELU = 1.702


def packs() -> bool:
    """Whether this torch can, on this processor."""
    operators = torch.ops.mkldnn
    named = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch has no type for it
        and all(hasattr(operators, name) for name in named)
        and bool(operators._is_mkldnn_bf16_supported())
    )


class PackedLinear(nn.Module):
    """A linear layer in bfloat16, and an activation that follows it."""

    def __init__(self, layer: nn.Linear, activation: str = "none", algorithm: str = "", scale: float = 1.0) -> None:
        """`scale`: what weights and bias are multiplied by first."""
        super().__init__()
        weight, bias = layer.weight.detach(), layer.bias
        # Not a parameter: nothing may convert it, or take it for a matrix in rows.
        self.weight = torch.ops.mkldnn._reorder_linear_weight((weight * scale).to(torch.bfloat16))
        self.bias = None if bias is None else (bias.detach() * scale).to(torch.bfloat16)
        self._activation = activation
        self._algorithm = algorithm

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            values.to(torch.bfloat16), self.weight, self.bias, self._activation, [], self._algorithm
        )
        return product


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
        module.fc1 = PackedLinear(first, "gelu", "none")
    elif activation is GELUTanh:
        module.fc1 = PackedLinear(first, "gelu", "tanh")
    elif activation is QuickGELUActivation:
        module.fc1 = PackedLinear(first, "swish", scale=_QUICK_GELU)
        with torch.no_grad():
            second.weight /= _QUICK_GELU
    else:
        return
    module.activation_fn = nn.Identity()
