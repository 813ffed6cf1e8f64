"""Photo files taken apart into what their decoders see as units, and put together again with lengths that fit.

Sources: ITU T.81 (JPEG), PNG 1.2, the WebP container specification, GIF89a, TIFF 6.0, Microsoft's BITMAPINFOHEADER.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF_HEADER = 8
_TIFF_ENTRY = 12
_BMP_FILE_HEADER = 14

Split = Callable[[bytes], list[bytes]]
Join = Callable[[Sequence[bytes]], bytes]


@dataclass(frozen=True)
class Container:
    """A format: `join(split(data))` is a file of the same picture."""

    split: Split
    join: Join


def _split_jpeg(data: bytes) -> list[bytes]:
    """Marker segments; the entropy-coded data belongs to the start of its scan."""
    parts, at = [data[:2]], 2
    while at + 4 <= len(data):
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDA:
            while end + 1 < len(data) and not (data[end] == 0xFF and data[end + 1] not in (0, *range(0xD0, 0xD8))):
                end += 1
        parts.append(data[at:end])
        at = end
    return [*parts, data[at:]]


def _join_jpeg(parts: Sequence[bytes]) -> bytes:
    joined = []
    for part in parts:
        # A scan's length covers its header alone, so it stays as it is.
        if len(part) >= 4 and part[:1] == b"\xff" and part[1] not in (0xD8, 0xD9, 0xDA):
            part = part[:2] + min(len(part) - 2, 0xFFFF).to_bytes(2, "big") + part[4:]
        joined.append(part)
    return b"".join(joined)


def _split_png(data: bytes) -> list[bytes]:
    """Chunks, as type and content."""
    parts, at = [], len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at + 4 : at + 8 + length])
        at += 12 + length
    return parts


def _join_png(parts: Sequence[bytes]) -> bytes:
    chunks = (struct.pack(">I", max(0, len(part) - 4)) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return _PNG + b"".join(chunks)


def _split_webp(data: bytes) -> list[bytes]:
    """Chunks, as name and content."""
    parts, at = [], 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        parts.append(data[at : at + 4] + data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return parts


def _join_webp(parts: Sequence[bytes]) -> bytes:
    body = b"WEBP"
    for part in parts:
        content = part[4:]
        body += part[:4].ljust(4) + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _split_gif(data: bytes) -> list[bytes]:
    """The screen with its palette, then extensions and pictures with their sub-blocks, then the trailer."""
    at = 13 + _palette(data[10])
    parts = [data[:at]]
    while at < len(data) and data[at] != 0x3B:
        end = at + 2
        if data[at] == 0x2C:
            end = at + 11 + _palette(data[at + 9])
        while end < len(data) and data[end]:
            end += 1 + data[end]
        parts.append(data[at : end + 1])
        at = end + 1
    return [*parts, data[at:]]


def _palette(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _split_tiff(data: bytes) -> list[bytes]:
    """The file, then the entries of its first directory."""
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack(f"{order}I", data[4:8])[0]
    count = struct.unpack(f"{order}H", data[at : at + 2])[0]
    return [data, *(data[at + 2 + _TIFF_ENTRY * n : at + 2 + _TIFF_ENTRY * (n + 1)] for n in range(count))]


def _join_tiff(parts: Sequence[bytes]) -> bytes:
    """The entries go into a new directory at the file's end, and the header points to it."""
    if not parts or len(parts[0]) < _TIFF_HEADER:
        return b"".join(parts)
    data, entries = parts[0] + b"\0" * (len(parts[0]) % 2), parts[1:]
    order = "<" if data[:2] == b"II" else ">"
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    return data[:4] + struct.pack(f"{order}I", len(data)) + data[_TIFF_HEADER:] + directory


def _split_bmp(data: bytes) -> list[bytes]:
    """The file's header, the picture's header in fields of four bytes, and the rest."""
    end = _BMP_FILE_HEADER + int.from_bytes(data[14:18], "little")
    fields = [data[at : at + 4] for at in range(_BMP_FILE_HEADER, end, 4)]
    return [data[:_BMP_FILE_HEADER], *fields, data[end:]]


CONTAINERS: dict[str, Container] = {
    "JPEG": Container(_split_jpeg, _join_jpeg),
    "PNG": Container(_split_png, _join_png),
    "WEBP": Container(_split_webp, _join_webp),
    "GIF": Container(_split_gif, b"".join),
    "TIFF": Container(_split_tiff, _join_tiff),
    "BMP": Container(_split_bmp, b"".join),
}
