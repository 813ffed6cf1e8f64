"""The photos that a visit brought, by name, so that Back finds them again."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping

_KEPT = 4  # photos of one visit; each may be 32 MB


def remember(photos: MutableMapping[str, bytes], data: bytes) -> str:
    """Keep a photo, forget the oldest; its name is what the address carries."""
    name = hashlib.sha256(data).hexdigest()[:12]
    photos.pop(name, None)
    photos[name] = data
    for oldest in list(photos)[:-_KEPT]:
        del photos[oldest]
    return name
