"""Colours of photos that carry none: a linear model over the colours of the pixels in a photo's middle, learnt from the
photos of clothes whose colour is known. What it is not sure of stays unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.mini.archives import Photo
from clip_runner.mini.selection import COARSE
from clip_runner.mini.views import Pixels

NAMES = (
    *("black", "white", "grey", "blue", "navy blue", "red", "maroon", "pink", "purple", "green", "olive"),
    *("yellow", "orange", "brown", "beige", "multi"),
)
"""Colours that are told apart."""

CLOTHES = frozenset(
    {
        *("Tshirts", "Shirts", "Tops", "Sweaters", "Sweatshirts", "Jackets", "Trousers", "Track Pants", "Shorts"),
        *("Dresses", "Skirts", "Jeans", "Tunics", "Kurtas", "Kurtis", "Leggings", "Capris", "Caps"),
    }
)
"""Types that fill a photo's middle with their own colour."""

SURE, SURER = 0.65, 0.85
"""A colour is taken when it is at least so probable; the second holds for those that poor light feigns."""

FEIGNED = frozenset({"purple", "brown", "green"})

BINS = (7, 10, 10)
LOW, HIGH = (0.0, -45.0, -45.0), (100.0, 55.0, 55.0)
STEPS, RATE, DECAY = 300, 0.1, 2e-5

Histograms = NDArray[np.float32]


def measure_colours(photos: Sequence[Photo], pixels: Pixels, seed: int) -> NDArray[np.str_]:
    """A colour for each photo that carries none; "" for those that carry one, and where none is sure.

    Args:
        photos: some with a colour, some without.
        pixels: uint8 (n, side, side, 3), the photos as the service sees them.
    """
    found = np.full(len(photos), "", f"<U{max(map(len, NAMES))}")
    taught = [
        number
        for number, photo in enumerate(photos)
        if photo.label in CLOTHES and photo.colour.lower() in NAMES and photo.archive != COARSE
    ]
    asked = [number for number, photo in enumerate(photos) if not photo.colour]
    if not taught or not asked:
        return found
    random = np.random.default_rng(seed)
    right = torch.tensor([NAMES.index(photos[number].colour.lower()) for number in taught])
    # Seen once as they are and twice in the light of a home.
    shown = [histograms(pixels[taught])] + [histograms(_at_home(pixels[taught], random)) for _ in range(2)]
    weights, bias = _fit(torch.from_numpy(np.concatenate(shown)), right.repeat(len(shown)), seed)
    odds = (torch.from_numpy(histograms(pixels[asked])) @ weights + bias).softmax(dim=1)
    for number, probabilities in zip(asked, odds, strict=True):
        name = NAMES[int(probabilities.argmax())]
        if probabilities.max() >= (SURER if name in FEIGNED else SURE):
            found[number] = name
    return found


def histograms(pixels: Pixels) -> Histograms:
    """Roots of the shares that colours have in the middles of photos: float32 (n, bins). The lightest pixels of a photo
    are taken as white first."""
    side = pixels.shape[1]
    made = np.zeros((len(pixels), int(np.prod(BINS))), np.float32)
    for row, photo in zip(made, pixels, strict=True):
        light = max(96.0, float(np.percentile(photo.max(axis=2), 98)))
        middle = photo[side // 5 : side - side // 6, side * 3 // 10 : side - side * 3 // 10].reshape(-1, 3)
        values = lab(np.minimum(middle.astype(np.float32) * (255 / light), 255))
        places = (values - np.array(LOW)) / (np.array(HIGH) - np.array(LOW)) * np.array(BINS)
        numbers = np.clip(places.astype(np.int64), 0, np.array(BINS) - 1)
        np.add.at(row, np.ravel_multi_index(tuple(numbers.T), BINS), 1 / len(numbers))
    return np.sqrt(made)


def lab(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """CIE L*a*b* (D65) of sRGB values 0..255, (n, 3)."""
    part = rgb / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(linear @ matrix.T / np.array([0.9505, 1.0, 1.089])).T
    made: NDArray[np.float32] = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1).astype(np.float32)
    return made


def _at_home(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """The photos darker and under warmer or colder light."""
    gain = random.uniform(0.6, 1.0, (len(pixels), 1, 1, 1))
    warm = random.uniform(-0.04, 0.10, (len(pixels), 1, 1, 1))
    tint = np.concatenate([1 + warm, np.ones_like(warm), 1 - warm], axis=3)
    made: Pixels = np.clip(pixels * gain * tint, 0, 255).astype(np.uint8)
    return made


def _fit(values: torch.Tensor, right: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Multinomial logistic regression in which each colour counts alike up to the root of its number."""
    torch.manual_seed(seed)
    weights = torch.zeros(values.shape[1], len(NAMES), requires_grad=True)
    bias = torch.zeros(len(NAMES), requires_grad=True)
    counts = torch.bincount(right, minlength=len(NAMES)).clamp(min=1)
    optimizer = torch.optim.Adam([weights, bias], lr=RATE)
    for _ in range(STEPS):
        loss = torch.nn.functional.cross_entropy(values @ weights + bias, right, counts**-0.5)
        loss = loss + DECAY * weights.square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
    return weights.detach(), bias.detach()
