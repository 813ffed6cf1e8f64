from __future__ import annotations

import random

import numpy as np
import pytest

from clip_runner.mini.archives import Photo
from clip_runner.mini.captions import Captions, corpus
from clip_runner.mini.claims import Claim, Known, know, truth
from clip_runner.mini.lexicon import NO, UNSURE, YES, Lexicon, read_lexicon, singular

LABELS = ("home T-Shirt", "home Longsleeve", "home Shoes", "Tshirts", "Casual Shoes", "Sports Shoes", "Watches")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return read_lexicon(LABELS)


def photo(label: str, colour: str = "", title: str = "", *, kids: bool = False) -> Photo:
    archive = "cc0" if label.startswith("home ") else "shop224"
    return Photo(archive, f"{label}{colour}{title}.jpg", label.removeprefix("home "), colour, title, kids)


def standing(lexicon: Lexicon, of: Photo, claim: Claim) -> int:
    return int(truth(know([of], lexicon), [claim], lexicon)[0, 0])


def concept(lexicon: Lexicon, name: str) -> int:
    return [concept.name for concept in lexicon.concepts].index(name)


def test_every_label_of_a_class_has_words(lexicon: Lexicon) -> None:
    for name in LABELS:
        assert lexicon.of_label(lexicon.labels.index(name)), name


def test_words_are_true_of_home_photos_and_shop_photos_alike(lexicon: Lexicon) -> None:
    claim = Claim("tee", concept(lexicon, "t-shirt"))
    assert standing(lexicon, photo("home T-Shirt"), claim) == YES
    assert standing(lexicon, photo("Tshirts"), claim) == YES
    assert standing(lexicon, photo("Watches"), claim) == NO


def test_what_a_label_may_hold_is_unsure(lexicon: Lexicon) -> None:
    assert standing(lexicon, photo("Sweaters"), Claim("longsleeve", concept(lexicon, "longsleeve"))) == UNSURE


def test_a_shop_type_is_no_other_shop_type_and_perhaps_a_home_photo(lexicon: Lexicon) -> None:
    claim = Claim("sports shoes", concept(lexicon, "Sports Shoes"))
    found = [standing(lexicon, photo(label), claim) for label in ("Sports Shoes", "Casual Shoes", "home Shoes")]
    assert found == [YES, NO, UNSURE]


@pytest.mark.parametrize(
    ("colour", "expected"), [("Red", YES), ("Maroon", UNSURE), ("Blue", NO), ("", UNSURE), ("No Colour", UNSURE)]
)
def test_a_colour_is_right_near_wrong_or_unknown(lexicon: Lexicon, colour: str, expected: int) -> None:
    claim = Claim("red tee", concept(lexicon, "t-shirt"), lexicon.colours.index("red"))
    assert standing(lexicon, photo("Tshirts", colour), claim) == expected


def test_one_false_part_makes_a_claim_false(lexicon: Lexicon) -> None:
    claim = Claim("red watch", concept(lexicon, "Watches"), lexicon.colours.index("red"))
    assert standing(lexicon, photo("Tshirts", ""), claim) == NO


def test_the_wearer_is_read_from_the_title_and_the_kids_flag(lexicon: Lexicon) -> None:
    claim = Claim("women's tee", concept(lexicon, "t-shirt"), wearer=lexicon.wearers.index("women"))
    titles = ("Nike Women Red Tshirt", "Nike Men Red Tshirt", "Nike Red Tshirt")
    assert [standing(lexicon, photo("Tshirts", title=title), claim) for title in titles] == [YES, NO, UNSURE]
    assert standing(lexicon, photo("home T-Shirt", kids=True), claim) == NO


def test_a_pattern_is_read_from_the_title_and_excludes_others(lexicon: Lexicon) -> None:
    striped = [trait.name for trait in lexicon.traits].index("striped")
    claim = Claim("striped tee", concept(lexicon, "t-shirt"), trait=striped)
    titles = ("Nike Men Red Striped Tshirt", "Nike Men Red Checks Tshirt", "Nike Red Tshirt")
    assert [standing(lexicon, photo("Tshirts", title=title), claim) for title in titles] == [YES, NO, UNSURE]


def test_a_narrower_kind_is_read_from_the_title(lexicon: Lexicon) -> None:
    polo, tee = photo("Tshirts", title="Nike Men Polo Tshirt"), photo("Tshirts", title="Nike Men Tshirt")
    claims = [Claim(name, concept(lexicon, name)) for name in ("polo", "t-shirt", "Tshirts")]
    assert [standing(lexicon, polo, claim) for claim in claims] == [YES, UNSURE, YES]
    assert [standing(lexicon, tee, claim) for claim in claims] == [UNSURE, YES, YES]


def test_a_measured_colour_stands_in_where_none_is_known(lexicon: Lexicon) -> None:
    photos = [photo("home T-Shirt"), photo("Tshirts", "Blue")]
    found = know(photos, lexicon, ["red", "red"])
    assert [lexicon.colours[each.colour] for each in found] == ["red", "blue"]


def test_a_title_is_true_of_its_product_alone(lexicon: Lexicon) -> None:
    known = know([photo("Tshirts", title=title) for title in ("A tee", "a  TEE", "B tee")], lexicon)
    assert truth(known, [Claim("a tee", product=known[0].product)], lexicon)[:, 0].tolist() == [YES, YES, NO]


def test_what_is_said_of_a_photo_is_true_of_it(lexicon: Lexicon) -> None:
    photos = [photo("Tshirts", "Red", "Nike Men Red Tshirt"), photo("home T-Shirt"), photo("Watches", "Black", "X")]
    known: list[Known] = know(photos, lexicon)
    captions, draw = Captions(lexicon), random.Random(1)
    for of in known:
        claims = [captions.of_photo(of, draw) for _ in range(100)]
        assert len({claim.text for claim in claims}) > 30
        assert np.all(truth([of], claims, lexicon) == YES)


def test_texts_beside_a_photo_are_mostly_wrong(lexicon: Lexicon) -> None:
    known = know([photo("Tshirts", "Red", "Nike Men Red Tshirt")], lexicon)
    captions, draw = Captions(lexicon), random.Random(1)
    table = truth(known, [captions.beside(known[0], draw) for _ in range(200)], lexicon)
    assert np.mean(table == NO) > 0.7


def test_the_corpus_is_the_same_for_the_same_seed(lexicon: Lexicon) -> None:
    captions = Captions(lexicon)
    first, again, other = (corpus(captions, ["a title"], 50, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == len(set(first))
    assert "a title" in first


@pytest.mark.parametrize(
    ("label", "one"),
    [
        ("Tshirts", "tshirt"),
        ("Casual Shoes", "casual shoes"),
        ("Dresses", "dress"),
        ("Watches", "watch"),
        ("Scarves", "scarf"),
        ("Sunglasses", "sunglasses"),
        ("Accessory Gift Set", "accessory gift set"),
    ],
)
def test_types_are_said_of_one_thing(label: str, one: str) -> None:
    assert singular(label) == one
