"""API keys: who is calling, and what that caller may do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from api.errors import Forbidden, Unauthorized


class Scope(StrEnum):
    """What a key opens; `admin` opens everything."""

    SEARCH = "search"
    ENCODE = "encode"
    ADMIN = "admin"


@dataclass(frozen=True)
class ApiKey:
    """One entry of `API_KEYS`: the key itself is never kept, only its SHA-256."""

    name: str
    scope: Scope
    digest: bytes

    @classmethod
    def parse(cls, entry: str) -> ApiKey:
        """Read `name:scope:sha256`; ValueError names what is wrong with it, without repeating the hash."""
        parts = entry.split(":")
        if len(parts) != 3 or not parts[0]:
            raise ValueError("an entry of API_KEYS must read name:scope:sha256")
        name, scope, digest = parts
        if scope not in {s.value for s in Scope}:
            raise ValueError(f"API_KEYS: the scope of {name!r} must be search, encode or admin")
        try:
            raw = bytes.fromhex(digest)
        except ValueError:
            raw = b""
        if len(raw) != hashlib.sha256().digest_size:
            raise ValueError(f"API_KEYS: the hash of {name!r} must be the key's SHA-256 in 64 hex digits")
        return cls(name, Scope(scope), raw)


class KeyRing:
    """The keys that are accepted; with none, everybody is."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._keys = tuple(ApiKey.parse(entry) for entry in entries)

    @property
    def empty(self) -> bool:
        return not self._keys

    def authorise(self, presented: str | None, scope: Scope) -> str | None:
        """The caller's name, or None where no keys are set.

        Raises Unauthorized for no key or a wrong one, Forbidden for a key without `scope`.
        """
        if self.empty:
            return None
        if not presented:
            raise Unauthorized("Send your key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.")
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        # Every entry is compared, in constant time: the answer's delay tells nothing about the keys.
        matching = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        if not matching:
            raise Unauthorized("This key is not known.")
        for key in matching:
            if key.scope in (scope, Scope.ADMIN):
                return key.name
        raise Forbidden(f"The key {matching[0].name!r} does not have the scope {scope.value}.")


def presented_key(headers: dict[bytes, bytes]) -> str | None:
    """The key that a request brings, from `Authorization: Bearer` or `X-API-Key` (lower-case header names)."""
    if (value := headers.get(b"x-api-key")) is not None:
        return value.decode("latin-1").strip()
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
