"""Bytes to checked RGB pixels at the model's size: the only function of the project that does this.

A query photo that is prepared otherwise than the indexed ones is found less well, and nothing tells: so there is
one function, for queries and catalogue alike.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

# What is opened at all, by content; everything else Pillow could read stays shut.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")

MAX_ASPECT_RATIO = 50
"""Long over short side of a photo; beyond it, resizing would make a strip of nothing, or fill the memory."""

DRAFT_FACTOR = 3
"""A JPEG may be decoded at a fraction (1/2, 1/4, 1/8) as long as this many times the target's size remains."""


Room = Callable[[int], AbstractContextManager[object]]
"""A place for so many pixels, for as long as it is held."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""

_BAND_PIXELS = 1_000_000
"""Pixels that are converted at once: a picture's conversions hold copies of as many, not of all."""

_SIDEWAYS = 5  # EXIF orientations from here on exchange width and height


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
    data: bytes,
    spec: PixelSpec,
    *,
    max_mpixels: float,
    draft: Literal["auto", "never"] = "auto",
    room: Room = nullcontext,
) -> NDArray[np.uint8]:
    """Decode a photo and bring it to the model's geometry.

    Args:
        data: the file's bytes; the content decides what it is, no name or declared type does.
        spec: the model's geometry.
        max_mpixels: millions of pixels a photo may have, checked before any is decoded.
        draft: `never` decodes every JPEG in full; `auto` lets libjpeg scale large ones while decoding.
        room: asked for as many pixels as will be decoded, and held while they are; see `PixelRoom`.

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
    size = image.size
    box = _draft(image, spec) if draft == "auto" else None
    with room(image.width * image.height):
        _load(image, data)
        orientation = _orientation(image)
        if orientation >= _SIDEWAYS:
            size = (size[1], size[0])
        if box is not None:
            box = _turn_box(box, image.size, orientation)
        return np.asarray(_fit(_to_rgb(_upright(image), data), spec, size, box))


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


def _draft(image: Image.Image, spec: PixelSpec) -> Box | None:
    """Let libjpeg leave out detail that resizing would throw away (12 megapixels: about five times as fast).

    Returns:
        The part of the smaller picture that the photo fills, None where nothing is left out. libjpeg rounds up to
        whole pixels; without this the photo would be squeezed by up to one of them.
    """
    if image.format != "JPEG" or image.mode not in ("RGB", "L"):
        return None
    short = spec.short_side or max(spec.height, spec.width)
    drafted = image.draft(image.mode, (DRAFT_FACTOR * short, DRAFT_FACTOR * short))
    return None if drafted is None else drafted[1]


def _load(image: Image.Image, data: bytes) -> None:
    """Decode the first frame."""
    try:
        image.load()
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error ... alike
        raise _broken(error, data) from None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 where EXIF does not say or cannot be read."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # EXIF is decoration: whatever is wrong with it must not cost the photo
        return 1
    return orientation if orientation in range(1, 9) else 1


def _upright(image: Image.Image) -> Image.Image:
    """Turn the photo as its EXIF orientation asks; unreadable EXIF turns nothing."""
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _turn_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Where a box that starts at the upper left of a picture of this size lies once the picture is upright."""
    right, bottom = box[2:]
    width, height = size
    if orientation >= _SIDEWAYS:
        right, bottom, width, height = bottom, right, height, width
    left = width - right if orientation in (2, 3, 6, 7) else 0
    top = height - bottom if orientation in (3, 4, 7, 8) else 0
    return left, top, left + right, top + bottom


def _to_rgb(image: Image.Image, data: bytes) -> Image.Image:
    """RGB of any mode: transparency on white, 16 bits scaled to 8."""
    try:
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            image = _eight_bits(image)
        if image.mode == "La":  # premultiplied grey, which Pillow converts to nothing but LA
            image = image.convert("LA")
        if image.has_transparency_data:
            return _on_white(image)
        return image if image.mode == "RGB" else image.convert("RGB")
    except Exception as error:
        raise _broken(error, data) from None


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in pieces of a few rows, each with its upper edge: what is made of it need not be there twice."""
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _on_white(image: Image.Image) -> Image.Image:
    """RGB of a picture with transparency."""
    opaque = Image.new("RGB", image.size)
    for top, band in _bands(image):
        layer = band.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        opaque.paste(Image.alpha_composite(white, layer).convert("RGB"), (0, top))
    return opaque


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey pixels of more than 8 bits, scaled; `convert` alone would clip them to white.

    Whole numbers are taken as 16 bits wide and fractions as 0..1; what lies outside of that is fitted into its own
    range. What is no number is black.
    """
    low, high = 0.0, 1.0 if image.mode == "F" else 65535.0
    lowest, highest = np.inf, -np.inf
    for _, band in _bands(image):
        values = np.asarray(band)
        if (finite := values[np.isfinite(values)]).size:
            lowest, highest = min(lowest, float(finite.min())), max(highest, float(finite.max()))
    if lowest < low or highest > high:
        low, high = lowest, highest
    grey = Image.new("L", image.size)
    for top, band in _bands(image):
        values = np.asarray(band).astype(np.float64)
        values[~np.isfinite(values)] = 0
        values = (values - low) / ((high - low) or 1.0) * 255
        grey.paste(Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8), "L"), (0, top))
    return grey


def _fit(image: Image.Image, spec: PixelSpec, size: tuple[int, int], box: Box | None) -> Image.Image:
    """Resize and cut as the model's own processor does, to the last grey level when nothing was drafted.

    Args:
        image: upright, RGB.
        spec: the model's geometry.
        size: the upright photo's own width and height, whatever drafting made of them.
        box: the part of the image that the photo fills; None: all of it.
    """
    resample = Image.Resampling(spec.resample)
    if spec.short_side is None:
        return image.resize((spec.width, spec.height), resample, box)
    width, height = size
    short = min(width, height)
    # The long side is truncated, not rounded: so does transformers' get_resize_output_image_size.
    scaled = (
        (spec.short_side, int(spec.short_side * height / width))
        if width == short
        else (int(spec.short_side * width / height), spec.short_side)
    )
    image = image.resize(scaled, resample, box)
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
if ImageFile.LOAD_TRUNCATED_IMAGES:
    raise RuntimeError("Pillow was told to fill up photos that break off")
