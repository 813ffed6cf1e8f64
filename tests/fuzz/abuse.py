"""Requests that mean harm: forms, framing, JSON and texts at and beyond the edge of what is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.fuzz.wire import Raw, form, part, request
from tests.photos import encoded, picture

FORM, JSON = "Content-Type: multipart/form-data; boundary=b", "Content-Type: application/json"
PHOTO = encoded(picture(), "JPEG")
_MB = 1024 * 1024

Statuses = tuple[int, ...]
Case = tuple[str, Raw, Statuses]
"""What it is called, the request, and the statuses that may answer it; 0: closed without an answer."""

_REFUSED: Statuses = (400, 413, 415, 422)
_CLOSED: Statuses = (0, 400)

TEXTS = {
    "right to left": "\u202e\u05d0\u05d1\u05d2 \u0645\u0639\u0637\u0641 \u2067x\u2069",
    "four bytes": "\U0001f457\U0001f9e5\U0010ffff",
    "combining": "e" + "\u0301" * 500,
    "NUL": "a\0b",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85\x9f",
    "not characters": "\ufffe\uffff\ufdd0",
    "widths": "\u200b\u200d\ufeff\u2028\u2029",
    "template": "{query}{0}{{%s%n${jndi:ldap://x}<script>'\";--",
    "path": "../../../../etc/passwd",
    "zalgo": "Z\u0351\u036b\u0343\u036a" * 200,
}
_FIELDS = ("query", "like", "text_weight", "top_k", "offset", "min_score", "filters", "nonesuch")


def cases() -> Iterator[Case]:
    """All of them, forms first."""
    yield from _forms()
    yield from _framing()
    yield from _documents()
    yield from _texts()


def _posted(path: str, body: bytes, *headers: str) -> Raw:
    return Raw([request(path, body, *headers)])


def _forms() -> Iterator[Case]:
    photo = part("files", PHOTO, "a.jpg")
    files = [part("files", b"x", f"{number}.jpg") for number in range(1000)]
    fields = [part(f"field{number}", b"x") for number in range(1000)]
    long_header = part("files", PHOTO, "a", "X-Long: " + "x" * _MB)
    many_headers = part("files", PHOTO, "a", *(f"X-{number}: x" for number in range(20_000)))
    inner = b"Content-Type: multipart/mixed; boundary=c\r\nContent-Disposition: form-data; name=files\r\n\r\n"
    nested = inner + form(photo, boundary=b"c")
    for path in ("/encode_image", "/search-image"):
        bodies = {
            "a thousand files": form(*files), "a thousand fields": form(*fields),
            "a part's header of a megabyte": form(long_header), "a part of 20,000 headers": form(many_headers),
            "nested forms": form(nested), "a form in a form in a form": form(inner + form(nested, boundary=b"c")),
            "no part": b"--b--\r\n", "no end": form(photo, end=False), "nothing": b"", "a boundary alone": b"--b\r\n",
            "a part without a name": form(b"Content-Disposition: form-data\r\n\r\nx"),
            "a part without headers": form(b"\r\nx"), "a header that is none": form(b"garbage\r\n\r\nx"),
            "a charset that is none": form(part("query", b"x", None, "Content-Type: text/plain; charset=nonesuch")),
            "bytes that are no text": form(part("query", b"\xff\xfe\x80")),
            "a field of two megabytes": form(part("query", b"x" * 2 * _MB)),
            "boundaries alone": b"--b\r\n" * 100_000, "dashes": b"-" * _MB, "line ends": b"\r\n" * 500_000,
            "base64 that nobody decodes": form(part("files", b"/9j/", "a", "Content-Transfer-Encoding: base64")),
        }  # fmt: skip
        # Starlette reads what is no UTF-8 as Latin-1, and knows no charset but the form's.
        taken = ("a charset that is none", "bytes that are no text") if path == "/search-image" else ()
        for name, body in bodies.items():
            yield f"{path}: {name}", _posted(path, body, FORM), (200,) if name in taken else _REFUSED
        for name, declared in {
            "no boundary": "multipart/form-data", "an empty boundary": "multipart/form-data; boundary=",
            "a boundary of 10,000 letters": "multipart/form-data; boundary=" + "b" * 10_000,
            "a boundary of quotes": 'multipart/form-data; boundary="\\"', "another kind": "multipart/mixed; boundary=b",
            "two types": "application/json, multipart/form-data; boundary=b", "no type": "",
        }.items():  # fmt: skip
            yield f"{path}: {name}", _posted(path, form(photo), f"Content-Type: {declared}"), _REFUSED
    for name in ("../../etc/passwd", "a" * 10_000, "\ud800", "a\0b", "\u202egpj.exe", 'a"; name="query'):
        filed = form(part("files", PHOTO, name))
        yield f"a file named {name[:20]!a}", _posted("/encode_image", filed, FORM), (200, 400, 422)


def _framing() -> Iterator[Case]:
    text = b'["x"]'
    good = request("/encode_text", text, JSON)
    chunked = request("/encode_text", b"", JSON, "Transfer-Encoding: chunked", length=False)
    piece = b"100000\r\n" + b"x" * _MB + b"\r\n"
    yield "a chunked body beyond the limit", Raw([chunked, *[piece] * 40]), (413,)
    yield "a chunk of no size", Raw([chunked + b"zz\r\n"]), _CLOSED
    yield "a chunk of absurd size", Raw([chunked + b"f" * 20 + b"\r\n"]), _CLOSED
    yield "chunks that break off", Raw([chunked + b"5\r\n[1"], hang_up=True), (0, 400)
    yield "a length beyond the limit", Raw([request("/encode_text", b"", JSON, "Content-Length: 99999999999",
                                                    length=False)]), (413,)  # fmt: skip
    for length in ("-1", "x", "5, 6", "5\r\nContent-Length: 6", "0x5", "9" * 400):
        raw = Raw([request("/encode_text", text, JSON, f"Content-Length: {length}", length=False)])
        yield f"the length {length[:20]!r}", raw, (0, 400, 413)
    both = request("/encode_text", b'5\r\n["x"]\r\n0\r\n\r\n', JSON, "Transfer-Encoding: chunked")
    yield "a length and chunks", Raw([both]), (0, 200, 400)
    yield "less than the length", Raw([request("/encode_text", text, JSON, "Content-Length: 50", length=False)],
                                      hang_up=True), (0, 400)  # fmt: skip
    yield "more than the length", Raw([good + b"GARBAGE" * 10]), (200, 400)
    yield "a compressed body", _posted("/encode_text", b"\x1f\x8b\x08", JSON, "Content-Encoding: gzip"), (400, 415)
    yield "HTTP/2 at once", Raw([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]), _CLOSED
    yield "TLS", Raw([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100]), _CLOSED
    yield "no HTTP", Raw([b"hello\r\n\r\n"]), _CLOSED
    yield "NUL in a header", Raw([request("/livez", b"", "X-A: a\0b", method="GET")]), (0, 200, 400)
    yield "a bare line end in a header", Raw([request("/livez", b"", "X-A: a\nX-B: b", method="GET")]), (0, 200, 400)
    yield "a folded header", Raw([request("/livez", b"", "X-A: a\r\n b", method="GET")]), (0, 200, 400)
    yield "a path of a megabyte", Raw([request("/items/" + "a" * _MB, b"", method="GET")]), (0, 400, 404, 414, 431)
    headers = [f"X-{number}: {'x' * 1000}" for number in range(20_000)]
    yield "twenty megabytes of headers", Raw([request("/livez", b"", *headers, method="GET")]), _CLOSED
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
    yield "a websocket", Raw([request("/search-image", b"", *upgrade, method="GET")]), (0, 400, 403, 404, 405, 426)
    yield "a tunnel", Raw([b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n"]), (0, 400, 404, 405)
    yield "another host's address", Raw([request("http://example.com/livez", b"", method="GET")]), (0, 200, 400, 404)
    yield "a slow body", Raw([good], pause=0.02), (200,)


def _documents() -> Iterator[Case]:
    depth = 100_000
    bodies: dict[str, bytes] = {
        "arrays in arrays": b"[" * depth + b"]" * depth,
        "objects in objects": b'{"filters":' * depth + b"1" + b"}" * depth,
        "a hundred levels": b'{"query":"x","filters":{"colour":' + b"[" * 100 + b"]" * 100 + b"}}",
        "a number of a million digits": b'{"query":"x","top_k":' + b"9" * 1_000_000 + b"}",
        "a number beyond all": b'{"query":"x","min_score":1e400}', "not a number": b'{"query":"x","min_score":NaN}',
        "a text of twenty megabytes": b'{"query":"' + b"x" * 20 * _MB + b'"}',
        "a hundred thousand names": json.dumps({f"n{number}": 1 for number in range(100_000)}).encode(),
        "a million texts": json.dumps(["x"] * 1_000_000).encode(),
        "half a pair": b'{"query":"\\ud800"}', "half a pair in bytes": b'{"query":"\xed\xa0\x80"}',
        "another encoding": '{"query":"x"}'.encode("utf-16"), "a mark at the beginning": b'\xef\xbb\xbf{"query":"x"}',
        "two documents": b'{"query":"x"}{"query":"y"}', "white space": b" " * 5 * _MB,
        "a comment": b'/**/{"query":"x"}',
    }  # fmt: skip
    for name, body in bodies.items():
        for path in ("/search-image", "/encode_text"):
            yield f"{path}: {name}", _posted(path, body, JSON), _REFUSED
    yield "the same name twice", _posted("/search-image", b'{"query":"x","query":"y"}', JSON), (200, 400, 422)


def _texts() -> Iterator[Case]:
    """Each text in each place that takes one."""
    for name, text in TEXTS.items():
        yield f"texts: {name}", _json("/encode_text", [text]), (200,)
        for field in _FIELDS:
            values: dict[str, Any] = {"query": "x"} | {field: text}
            yield f"JSON {field}: {name}", _json("/search-image", values), (200, 404, 422)
            parts = [part(key, value.encode()) for key, value in values.items()]
            yield f"form {field}: {name}", _posted("/search-image", form(*parts), FORM), (200, 404, 422)
        for filters in ({"colour": text}, {"colour": [text] * 3}, {text: "x"}, {"licence": text}):
            yield f"filters: {name}", _json("/search-image", {"query": "x", "filters": filters}), (200, 422)
        path = f"/items/{quote(text)}"
        yield f"an item: {name}", Raw([request(path, b"", method="GET")]), (400, 404, 422)
        answered = request(f"/encode_text?encoding_format={quote(text)}", b'["x"]', JSON)
        yield f"a parameter: {name}", Raw([answered]), (422,)
    for escape in ("%00", "%ff%fe", "%ed%a0%80", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..", "%u0041", "%", "%zz"):
        yield f"an item: {escape}", Raw([request(f"/items/{escape}", b"", method="GET")]), (400, 404, 422)
        yield f"an asset: {escape}", Raw([request(f"/static_content/{escape}", b"", method="GET")]), (400, 404)


def _json(path: str, value: Any) -> Raw:
    return _posted(path, json.dumps(value).encode(), JSON)
