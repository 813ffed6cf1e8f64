"""Bytes to checked RGB pixels at the model's size: the only function of the project that does this.

A query photo that is prepared otherwise than the indexed ones is found less well, and nothing tells: so there is
one function, for queries and catalogue alike.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

# What is opened at all, by content; everything else Pillow could read stays shut.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")

MAX_ASPECT_RATIO = 50
"""Long over short side of a photo; beyond it, resizing would make a strip of nothing, or fill the memory."""

DRAFT_FACTOR = 2
"""A JPEG may be decoded at a fraction (1/2, 1/4, 1/8) as long as this many times the target's size remains."""


class PhotoError(Exception):
    """A photo that cannot be used; `code` is one of the photo codes of the public contract."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class PixelSpec:
    """How a model wants its photos: the geometry only; normalising is the encoder's."""

    height: int
    width: int
    short_side: int | None
    """The short side is scaled to this before the centre is cut out; None: stretched to height x width."""

    resample: int
    """A `PIL.Image.Resampling` value."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PixelSpec:
        return cls(**values)

    @classmethod
    def from_processor(cls, config: dict[str, Any]) -> PixelSpec:
        """Read a transformers image processor's settings (`preprocessor_config.json`).

        Raises ValueError for a geometry that is neither "short side, then centre" nor "stretch".
        """
        size = config.get("size") or {}
        resample = int(config.get("resample", Image.Resampling.BICUBIC))
        if isinstance(size, int):  # transformers 4 wrote a bare number for the short side
            size = {"shortest_edge": size}
        if "shortest_edge" in size:
            short_side = int(size["shortest_edge"])
            crop = config.get("crop_size") or short_side
            if isinstance(crop, int):
                crop = {"height": crop, "width": crop}
            if not config.get("do_center_crop", True):
                raise ValueError("an image processor without centre crop makes photos of different sizes")
            return cls(int(crop["height"]), int(crop["width"]), short_side, resample)
        if "height" in size and "width" in size:
            return cls(int(size["height"]), int(size["width"]), None, resample)
        raise ValueError(f"the image processor's size is not understood: {size}")


def decode_pixels(
    data: bytes, spec: PixelSpec, *, max_mpixels: float, draft: Literal["auto", "never"] = "auto"
) -> NDArray[np.uint8]:
    """Decode a photo and bring it to the model's geometry.

    Args:
        data: the file's bytes; the content decides what it is, no name or declared type does.
        spec: the model's geometry.
        max_mpixels: millions of pixels a photo may have, checked before any is decoded.
        draft: `never` decodes every JPEG in full; `auto` lets libjpeg scale large ones while decoding.

    Returns:
        uint8, shape (spec.height, spec.width, 3), RGB.

    Raises:
        PhotoError: with the code `empty_file`, `unsupported_format`, `truncated_image`, `corrupt_image`,
            `image_too_large` or `extreme_aspect_ratio`.
    """
    if not data:
        raise PhotoError("empty_file", "The file is empty.")
    image = _open(data, max_mpixels)
    _check_size(image, max_mpixels)
    if draft == "auto":
        _draft(image, spec)
    _load(image, data)
    return np.asarray(_fit(_to_rgb(_upright(image), data), spec))


def _open(data: bytes, max_mpixels: float) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(max_mpixels) from None
    except Exception as error:  # a broken header raises whatever its parser stumbled over
        raise _broken(error, data) from None


def _check_size(image: Image.Image, max_mpixels: float) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise PhotoError("corrupt_image", "The photo has no pixels.")
    if width * height > max_mpixels * 1_000_000:
        raise _too_large(max_mpixels)
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise PhotoError(
            "extreme_aspect_ratio",
            f"The photo is {width} x {height}; its sides may differ by a factor of {MAX_ASPECT_RATIO} at most.",
        )


def _draft(image: Image.Image, spec: PixelSpec) -> None:
    """Let libjpeg leave out detail that resizing would throw away (12 megapixels: about five times as fast)."""
    if image.format == "JPEG" and image.mode in ("RGB", "L"):
        short = spec.short_side or max(spec.height, spec.width)
        image.draft(image.mode, (DRAFT_FACTOR * short, DRAFT_FACTOR * short))


def _load(image: Image.Image, data: bytes) -> None:
    """Decode the first frame."""
    try:
        image.load()
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error ... alike
        raise _broken(error, data) from None


def _upright(image: Image.Image) -> Image.Image:
    """Turn the photo as its EXIF orientation asks; unreadable EXIF turns nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is decoration: whatever is wrong with it must not cost the photo
        return image


def _to_rgb(image: Image.Image, data: bytes) -> Image.Image:
    """RGB of any mode: transparency on white, 16 bits scaled to 8."""
    try:
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            image = _eight_bits(image)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            white = Image.new("RGBA", layer.size, "white")
            return Image.alpha_composite(white, layer).convert("RGB")
        return image if image.mode == "RGB" else image.convert("RGB")
    except Exception as error:
        raise _broken(error, data) from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey pixels of more than 8 bits, scaled; `convert` alone would clip them to white."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        values = (np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0) * 255
    else:
        values = values / 257  # 65535 / 255
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8), "L")


def _fit(image: Image.Image, spec: PixelSpec) -> Image.Image:
    """Resize and cut as the model's own processor does, to the last grey level."""
    resample = Image.Resampling(spec.resample)
    if spec.short_side is None:
        return image.resize((spec.width, spec.height), resample)
    width, height = image.size
    short = min(width, height)
    # The long side is truncated, not rounded: so does transformers' get_resize_output_image_size.
    scaled = (
        (spec.short_side, int(spec.short_side * height / width))
        if width == short
        else (int(spec.short_side * width / height), spec.short_side)
    )
    image = image.resize(scaled, resample)
    left, top = (scaled[0] - spec.width) // 2, (scaled[1] - spec.height) // 2
    return image.crop((left, top, left + spec.width, top + spec.height))


def _too_large(max_mpixels: float) -> PhotoError:
    return PhotoError("image_too_large", f"The photo has more than {max_mpixels:g} million pixels.")


def _broken(error: Exception, data: bytes) -> PhotoError:
    reason = str(error).lower()
    if isinstance(error, EOFError) or "truncated" in reason or "unexpected end" in reason or _breaks_off(data):
        return PhotoError("truncated_image", "The photo breaks off before its end.")
    return PhotoError("corrupt_image", "The photo is damaged and cannot be decoded.")


def _breaks_off(data: bytes) -> bool:
    """Whether a container says that it is longer than what came (WebP and PNG: their decoders do not tell)."""
    if _is_webp(data):
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    return data.startswith(_PNG) and b"IEND" not in data[-16:]


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = (b"\xff\xd8\xff", _PNG, b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")


def _unidentified(data: bytes) -> PhotoError:
    """Tell a damaged photo from something that is none, by its first bytes."""
    if _is_webp(data) or data.startswith(_MAGIC):
        return _broken(ValueError("the header is damaged"), data)
    return PhotoError("unsupported_format", f"This is none of the formats that are read: {', '.join(FORMATS)}.")


# A photo that breaks off is refused and named as such, never filled up with grey.
assert ImageFile.LOAD_TRUNCATED_IMAGES is False
