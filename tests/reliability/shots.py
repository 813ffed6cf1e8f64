"""What is sent: the requests of a shop's day, and those of somebody who means harm."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from urllib3 import encode_multipart_formdata

from tests.stack import SAMPLE

_WORDS = ("black leather jacket", "red summer dress", "blue jeans", "white sneakers", "warm knitted hat",
          "striped t-shirt", "burgundy skirt", "grey coat for men", "boots with a zip", "shorts")  # fmt: skip
_IDS = ("images/055-jacket-black", "images/001-t-shirt-blue")

Field = tuple[str, str | tuple[str, bytes]]
"""A form's field: its name, and a text or a file with its name."""


@dataclass(frozen=True)
class Shot:
    """One request, ready to be sent."""

    kind: str
    path: str
    body: bytes | None = None
    content_type: str = ""
    method: str = "POST"
    hostile: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """Sent as it is on a connection of its own, which is then closed; no answer is expected."""


def photos() -> list[bytes]:
    """The sample catalogue's photos."""
    return [file.read_bytes() for file in sorted((SAMPLE / "images").glob("*.jpg"))]


def as_json(kind: str, path: str, content: object, *, hostile: bool = False) -> Shot:
    return Shot(kind, path, json.dumps(content).encode(), "application/json", hostile=hostile)


def as_form(kind: str, path: str, fields: Sequence[Field], *, hostile: bool = False) -> Shot:
    body, content_type = encode_multipart_formdata(fields)
    return Shot(kind, path, body, content_type, hostile=hostile)


class Day:
    """Draws a shop's requests, always the same ones for a seed."""

    def __init__(self, *, seed: int = 9, hostile: float = 0.0) -> None:
        """`hostile`: the share of requests that mean harm, 0 to 1."""
        self._draw = random.Random(seed)
        self._photos = photos()
        self._share = hostile
        self._hostile = hostile_shots(self._photos[0])
        self._usual: list[tuple[int, Callable[[], Shot]]] = [
            (40, self.words),
            (15, self.photo),
            (5, self.both),
            (5, self.like),
            (5, self.filtered),
            (10, lambda: Shot("item", f"/items/{self._draw.choice(_IDS)}", method="GET")),
            (5, lambda: Shot("facets", "/facets", method="GET")),
            (10, self.texts),
            (5, self.several_photos),
        ]

    def shot(self) -> Shot:
        """The next request."""
        if self._draw.random() < self._share:
            return self._draw.choice(self._hostile)
        weights = [weight for weight, _ in self._usual]
        return self._draw.choices([make for _, make in self._usual], weights)[0]()

    def words(self) -> Shot:
        return as_json("words", "/search-image", {"query": self._draw.choice(_WORDS), "top_k": 5})

    def photo(self) -> Shot:
        return as_form("photo", "/search-image", [("file", ("p.jpg", self._draw.choice(self._photos)))])

    def both(self) -> Shot:
        photo = ("p.jpg", self._draw.choice(self._photos))
        return as_form("both", "/search-image", [("file", photo), ("query", self._draw.choice(_WORDS))])

    def like(self) -> Shot:
        return as_json("like", "/search-image", {"like": self._draw.choice(_IDS)})

    def filtered(self) -> Shot:
        return as_json("filtered", "/search-image", {"query": "jacket", "filters": {"colour": ["black", "blue"]}})

    def texts(self) -> Shot:
        return as_json("texts", "/encode_text", self._draw.sample(_WORDS, 4))

    def several_photos(self) -> Shot:
        chosen = self._draw.sample(self._photos, 3)
        return as_form("photos", "/encode_image", [("files", (f"{n}.jpg", photo)) for n, photo in enumerate(chosen)])


def hostile_shots(photo: bytes) -> list[Shot]:
    """Requests that must be answered 4xx, or that are no requests at all; none may harm the others."""
    search, texts, encode = "/search-image", "/encode_text", "/encode_image"
    json_type, form_type = "application/json", "multipart/form-data; boundary=x"

    def bad(kind: str, path: str, body: bytes, content_type: str = json_type, **more: str) -> Shot:
        return Shot(kind, path, body, content_type, hostile=True, headers=more)

    length = f"Content-Length: {len(photo) + 1000}\r\n"
    return [
        bad("no JSON", search, b'{"query": '),
        bad("JSON 50,000 deep", search, b"[" * 50_000 + b"]" * 50_000),
        bad("a lone surrogate", texts, b'["\\ud800"]'),
        bad("not a list", texts, b'{"a": 1}'),
        bad("a number that is none", search, b'{"query": "x", "min_score": NaN}'),
        as_json("too many texts", texts, ["x"] * 257, hostile=True),
        as_json("too long a text", texts, ["x" * 100_000], hostile=True),
        as_json("nothing to search by", search, {"top_k": 3}, hostile=True),
        as_json("top_k out of range", search, {"query": "x", "top_k": 10**9}, hostile=True),
        as_json("a filter that breaks out", search, {"query": "x", "filters": {'colour"] or id != "': "x"}},
                hostile=True),
        bad("a form without boundary", search, b"--x", "multipart/form-data"),
        bad("a form that ends early", encode, b"--x\r\nContent-Disposition: form-data; name=", form_type),
        bad("another type", search, b"query=x", "application/x-www-form-urlencoded"),
        as_form("no photo", encode, [("files", ("x.jpg", b"\x00" * 5000))], hostile=True),
        as_form("half a photo", encode, [("files", ("x.jpg", photo[: len(photo) // 2]))], hostile=True),
        as_form("a huge picture", encode, [("files", ("x.png", png_header(50_000, 50_000)))], hostile=True),
        as_form("too many parts", encode, [("files", ("x.jpg", b"x"))] * 300, hostile=True),
        bad("a huge body", encode, b"x" * 5_000_000, form_type),
        Shot("an unknown path", "/../../etc/passwd", method="GET", hostile=True),
        Shot("an unknown item", "/items/..%2f..%2fetc%2fpasswd%00", method="GET", hostile=True),
        Shot("another method", search, method="DELETE", hostile=True),
        Shot("no HTTP", "", hostile=True, raw=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100),
        Shot("gone in its body", "", hostile=True,
             raw=b"POST /encode_image HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
             + length.encode() + b"\r\n" + photo),
        Shot("gone before its answer", "", hostile=True,
             raw=b"POST /encode_text HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             b'Content-Length: 5\r\n\r\n["x"]'),
    ]  # fmt: skip


def png_header(width: int, height: int) -> bytes:
    """A PNG file that says how large it is, and holds a few bytes of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\x00" * 1000))
        + chunk(b"IEND", b"")
    )
