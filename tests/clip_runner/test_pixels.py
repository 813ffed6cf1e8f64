from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoImageProcessor, CLIPImageProcessorPil, SiglipImageProcessorPil

from clip_runner.pixels import PhotoError, PixelSpec, decode_pixels
from clip_runner.settings import BUNDLED_MODEL
from tests.photos import bomb, encoded, picture, turned

SPEC = PixelSpec.from_processor(
    {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "resample": 3}
)
WHOLE = PixelSpec(40, 60, None, 3)  # stretches nothing for the default picture


def decode(data: bytes, spec: PixelSpec = WHOLE, **options: Any) -> np.ndarray:
    return decode_pixels(data, spec, **({"max_mpixels": 64} | options))


def refusal(data: bytes, **options: object) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(data, SPEC, **options)
    return caught.value.code


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "TIFF"])
def test_lossless_formats_give_exactly_the_picture(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    assert np.array_equal(decode(encoded(picture(), format, **options)), np.asarray(picture()))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    difference = np.abs(decode(turned(picture(), orientation)).astype(int) - np.asarray(picture()).astype(int))
    assert difference.mean() < 3  # JPEG's own loss


def test_first_frame_of_an_animation() -> None:
    frames = [picture(seed=seed).quantize(16) for seed in range(3)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(decode(data), np.asarray(frames[0].convert("RGB")))


def test_transparency_lies_on_white() -> None:
    for mode in ("RGBA", "LA"):
        clear = Image.new(mode, (60, 40), 0)
        assert (decode(encoded(clear)) == 255).all()
    palette = picture().quantize(16)
    palette.info["transparency"] = int(np.asarray(palette)[0, 0])
    assert (decode(encoded(palette, transparency=palette.info["transparency"]))[0, 0] == 255).all()


def test_cmyk_looks_like_its_rgb() -> None:
    data = encoded(picture().convert("CMYK"), "JPEG", quality=95)
    assert np.abs(decode(data).astype(int) - np.asarray(picture()).astype(int)).mean() < 6


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 60, dtype=np.uint16)[None].repeat(40, axis=0)
    for format in ("PNG", "TIFF"):
        decoded = decode(encoded(Image.fromarray(ramp), format))
        assert np.abs(decoded[0, :, 0].astype(int) - np.rint(ramp[0] / 257)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_few_colours(mode: str) -> None:
    image = picture(mode=mode)
    assert np.array_equal(decode(encoded(image)), np.asarray(image.convert("RGB")))


def test_one_pixel_is_a_photo() -> None:
    assert decode(encoded(picture(1, 1)), SPEC).shape == (32, 32, 3)


def test_refusals_are_named() -> None:
    jpeg = encoded(picture(400, 300), "JPEG")
    assert refusal(b"") == "empty_file"
    assert refusal(b"this is a text, whatever its name says") == "unsupported_format"
    assert refusal(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "unsupported_format"
    assert refusal(jpeg[: len(jpeg) // 2]) == "truncated_image"
    assert refusal(encoded(picture(400, 300))[:-400]) == "truncated_image"
    assert refusal(encoded(picture(400, 300), "WEBP")[:-200]) == "truncated_image"
    assert refusal(bomb(20_000, 20_000)) == "image_too_large"
    assert refusal(bomb(9_000, 9_000)) == "image_too_large"
    assert refusal(encoded(picture(100, 100)), max_mpixels=0.005) == "image_too_large"
    assert refusal(encoded(picture(1, 10_000))) == "extreme_aspect_ratio"
    assert refusal(b"\xff\xd8\xff" + b"\x07" * 400) in ("corrupt_image", "truncated_image")


def test_messages_never_repeat_the_file() -> None:
    with pytest.raises(PhotoError) as caught:
        decode(b"secret content of somebody")
    assert "secret" not in caught.value.message


SIZES = [(60, 40), (40, 60), (333, 500), (512, 512), (113, 640), (1000, 667), (31, 33), (224, 224)]


@pytest.mark.parametrize("size", SIZES)
def test_equal_to_the_models_own_processor(size: tuple[int, int]) -> None:
    image = picture(*size, seed=size[0])
    processors = [
        AutoImageProcessor.from_pretrained(BUNDLED_MODEL, backend="pil"),
        CLIPImageProcessorPil(),  # as openai/clip-vit-base-patch32 has it
        SiglipImageProcessorPil(),
    ]
    for processor in processors:
        spec = PixelSpec.from_processor(processor.to_dict())
        theirs = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
        assert np.array_equal(decode(encoded(image), spec), np.moveaxis(theirs, 0, -1))


def test_drafting_a_large_photo_changes_little() -> None:
    spec = PixelSpec.from_processor(CLIPImageProcessorPil().to_dict())
    data = encoded(picture(3024, 4032), "JPEG", quality=90)
    full, drafted = decode(data, spec, draft="never"), decode(data, spec)
    assert Image.open(io.BytesIO(data)).size == (3024, 4032)
    assert np.abs(full.astype(int) - drafted.astype(int)).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_drafting_shifts_nothing(orientation: int) -> None:
    # Just over 8 x 336 pixels: libjpeg adds nearly a whole one of its eighths, which must not count.
    wave = 127 + 120 * np.sin(np.arange(2689) * (2 * np.pi / 240))
    waves = Image.fromarray(((wave[:, None] + wave[None, :]) / 2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x112] = orientation
    data = encoded(waves, "JPEG", quality=95, exif=exif)
    spec = PixelSpec.from_processor(AutoImageProcessor.from_pretrained(BUNDLED_MODEL, backend="pil").to_dict())
    full, drafted = decode(data, spec, draft="never"), decode(data, spec)
    assert np.abs(full.astype(int) - drafted.astype(int)).max() <= 4


def test_fractions_as_grey_levels() -> None:
    ramp = np.linspace(0, 1, 60 * 40, dtype=np.float32).reshape(40, 60)
    assert np.abs(decode(encoded(Image.fromarray(ramp), "TIFF"))[..., 0].astype(int) - ramp * 255).max() <= 0.5
    ramp[0, 0] = np.nan
    assert decode(encoded(Image.fromarray(ramp * 9 - 4), "TIFF"))[0, 0, 0] in range(256)


def test_premultiplied_grey_lies_on_white() -> None:
    # Pillow writes "unassociated alpha" (2) into the tag ExtraSamples; premultiplied is 1.
    tag = b"\x52\x01\x03\x00\x01\x00\x00\x00"
    clear = encoded(Image.new("LA", (60, 40), 0), "TIFF").replace(tag + b"\x02", tag + b"\x01")
    assert Image.open(io.BytesIO(clear)).mode == "La"
    assert (decode(clear) == 255).all()


def test_a_geometry_that_is_not_understood_is_refused() -> None:
    with pytest.raises(ValueError, match="not understood"):
        PixelSpec.from_processor({"size": {"longest_edge": 100}})
