"""Which vectors may be compared with which."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ModelIdentity:
    """A model as its vectors know it: two with the same `model` text make comparable vectors.

    `model` reads `<name>@<fingerprint>`; the fingerprint covers weights and preprocessing.
    """

    model: str
    dim: int


def fingerprint(samples: Iterable[tuple[str, NDArray[np.float32]]], preprocessing: dict[str, Any]) -> str:
    """Eight hex digits over a model's preprocessing and a sample of each of its tensors.

    Args:
        samples: each tensor's name and some of its values, always the same ones.
        preprocessing: all that is done to texts and photos before the model, JSON-able.
    """
    digest = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode())
    for name, values in sorted(samples, key=lambda sample: sample[0]):
        digest.update(name.encode())
        digest.update(values.astype("<f4").tobytes())
    return digest.hexdigest()[:8]
