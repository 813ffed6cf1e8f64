"""How well a model finds held-out photos: `python -m clip_runner.mini.figures ARCHIVES MODEL [MODEL ...]`.

The model is loaded, and texts and photos are encoded, by the service's own code; each text is in the service's prompt.
Nearest neighbours are exact. Home photos are searched among home photos, shop photos among the large shop photos.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip_runner.encoder import Encoder
from clip_runner.mini.archives import Photo, read_manifest, read_photos
from clip_runner.mini.lexicon import singular, wearer_of
from clip_runner.mini.selection import usable
from clip_runner.mini.views import photo_pixels
from clip_runner.settings import RunnerSettings
from evaluation.bootstrap import Interval, mean_interval
from evaluation.metrics import precision_at
from evaluation.queries import read_queries

PROMPT = "a photo of {}."
QUERIES = Path(__file__).parents[2] / "evaluation" / "queries" / "home_held_out.jsonl"
HOME_CLASSES = tuple(
    name.lower()
    for name in (
        *("Blazer", "Blouse", "Body", "Dress", "Hat", "Hoodie", "Longsleeve", "Outwear", "Pants", "Polo", "Shirt"),
        *("Shoes", "Shorts", "Skirt", "T-Shirt", "Top", "Undershirt"),
    )
)
"""The classes of the home photos' source; of body, top and blouse there is no photo here."""

ENOUGH = 10
"""Relevant photos that a query must have, so that its precision@10 can reach 1."""

COLOURS = ("Black", "White", "Blue", "Red", "Green")
BESIDE = 5
"""Results that are looked at for a photo with a colour beside it, and photos of that type and colour there must be."""

WEARERS = ("men", "women", "boys", "girls")

Vectors = NDArray[np.float32]
Kinds = dict[str, Interval]


class Side:
    """The photos that are searched together, with their vectors."""

    def __init__(self, encoder: Encoder, data: Path, photos: Sequence[Photo]) -> None:
        self.photos, self._encoder = list(photos), encoder
        self.vectors = encode_photos(encoder, data, photos)

    def precision(self, queries: Sequence[tuple[str, Callable[[Photo], bool]]]) -> Interval:
        """Mean precision@10 of texts, each with what makes a photo relevant."""
        scores = self._texts([text for text, _ in queries]) @ self.vectors.T
        return mean_interval(
            np.array(
                [
                    precision_at(np.array([relevant(self.photos[n]) for n in np.argsort(-row)[:10]]), 10)
                    for row, (_, relevant) in zip(scores, queries, strict=True)
                ]
            )
        )

    def by_photo(self) -> Interval:
        """Mean precision@10 of each photo as a query, for others of its label."""
        scores = self.vectors @ self.vectors.T
        np.fill_diagonal(scores, -2)
        labels = np.array([photo.label for photo in self.photos])
        first = np.argsort(-scores, axis=1)[:, :10]
        return mean_interval((labels[first] == labels[:, None]).mean(axis=1))

    def zero_shot(self, names: Sequence[str]) -> Interval:
        """Share of photos to which their own class' name, of all names, lies nearest."""
        guesses = (self.vectors @ self._texts(names).T).argmax(axis=1)
        hits = [names[guess] == photo.label.lower() for guess, photo in zip(guesses, self.photos, strict=True)]
        return mean_interval(np.array(hits, np.float64))

    def own_title(self) -> Interval:
        """Share of products of whose photos one is in the first ten for its title."""
        titles = sorted({photo.title for photo in self.photos})
        first = np.argsort(-(self._texts(titles) @ self.vectors.T), axis=1)[:, :10]
        found = [any(self.photos[n].title == title for n in row) for title, row in zip(titles, first, strict=True)]
        return mean_interval(np.array(found, np.float64))

    def recoloured(self, colours: Sequence[str]) -> Interval:
        """Mean precision@5 of each photo with another colour's name beside it, each with half the weight, for others of
        its type in that colour; where there are five."""
        counts = Counter((photo.label, photo.colour) for photo in self.photos)
        scores = []
        for colour, words in zip(colours, self._texts([colour.lower() for colour in colours]), strict=True):
            asked = [
                number
                for number, photo in enumerate(self.photos)
                if photo.colour != colour and counts[photo.label, colour] >= BESIDE
            ]
            table = (self.vectors[asked] + words) @ self.vectors.T
            table[range(len(asked)), asked] = -np.inf  # who shows a photo knows it
            for number, first in zip(asked, np.argsort(-table, axis=1)[:, :BESIDE], strict=True):
                wanted = (self.photos[number].label, colour)
                scores.append(np.mean([(self.photos[n].label, self.photos[n].colour) == wanted for n in first]))
        return mean_interval(np.array(scores))

    def _texts(self, texts: Sequence[str]) -> Vectors:
        made: Vectors = self._encoder.encode_texts([PROMPT.format(text) for text in texts])["vector"]
        return made


def encode_photos(encoder: Encoder, data: Path, photos: Sequence[Photo], batch: int = 32) -> Vectors:
    """The photos' unit vectors, as the service makes them."""
    pixels = [photo_pixels(photo, content, encoder.pixel_spec) for photo, content in read_photos(data, photos)]
    parts = [encoder.encode_pixels(np.stack(pixels[start : start + batch])) for start in range(0, len(pixels), batch)]
    return np.concatenate(parts)


def measure(model: Path, data: Path) -> Kinds:
    """Figures by kind of query, with 95 % intervals."""
    encoder = Encoder(RunnerSettings(_env_file=None, model_id=str(model), model_threads=2))
    held_out = usable(read_manifest(data))[1]
    home = Side(encoder, data, [photo for photo in held_out if photo.archive == "cc0"])
    shop = Side(encoder, data, [photo for photo in held_out if photo.archive == "shop224"])
    return {
        "home photos, by class name": home.precision(home_queries("class")),
        "home photos, by a paraphrase of the class": home.precision(home_queries("paraphrase")),
        "home photos, zero-shot over 17 classes (accuracy)": home.zero_shot(HOME_CLASSES),
        "home photos, by a photo of the class": home.by_photo(),
        "shop photos, by article type": shop.precision(shop_queries(shop.photos, lambda p: (p.label,))),
        "shop photos, by colour and type": shop.precision(shop_queries(shop.photos, lambda p: (p.colour, p.label))),
        "shop photos, by colour, gender and type": shop.precision(
            shop_queries(shop.photos, lambda p: (_wearer(p), p.colour, p.label))
        ),
        f"shop photos, by a photo and another colour (precision@{BESIDE})": shop.recoloured(COLOURS),
        f"shop photos, by the product's title (in the first ten of {len(shop.photos):,})": shop.own_title(),
    }


def home_queries(kind: str) -> list[tuple[str, Callable[[Photo], bool]]]:
    """The queries of a kind for the held-out home photos; alternative words for a class' own name count with it."""
    made = []
    for query in read_queries(QUERIES):
        if query.kind == kind and isinstance(query.relevant, dict):
            made.append((str(query.query), _is_labelled(str(query.relevant["category"]))))
    return made


def shop_queries(
    photos: Sequence[Photo], said: Callable[[Photo], tuple[str, ...]]
) -> list[tuple[str, Callable[[Photo], bool]]]:
    """A query for each combination of what is said of photos that enough of them have; the type comes last."""
    counts = Counter(said(photo) for photo in photos if all(said(photo)))
    return [
        (" ".join((*(word.lower() for word in words[:-1]), singular(words[-1]))), _says(said, words))
        for words, count in sorted(counts.items())
        if count >= ENOUGH
    ]


def _says(said: Callable[[Photo], tuple[str, ...]], words: tuple[str, ...]) -> Callable[[Photo], bool]:
    return lambda photo: said(photo) == words


def _is_labelled(category: str) -> Callable[[Photo], bool]:
    return lambda photo: photo.label.lower() == category


def _wearer(photo: Photo) -> str:
    number = wearer_of(photo.title, WEARERS)
    return WEARERS[number] if number >= 0 else ""


def table(measured: dict[str, Kinds]) -> str:
    """The figures of several models side by side, in Markdown."""
    names = list(measured)
    lines = ["| kind of query | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind in measured[names[0]]:
        cells = [measured[name][kind] for name in names]
        shown = (f"{cell.mean:.2f} ({cell.low:.2f} to {cell.high:.2f})" for cell in cells)
        lines.append(f"| {kind} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m clip_runner.mini.figures FOLDER_OF_ARCHIVES MODEL [MODEL ...]\n")
        return 2
    data = Path(arguments[0])
    sys.stdout.write(table({Path(name).name: measure(Path(name), data) for name in arguments[1:]}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
