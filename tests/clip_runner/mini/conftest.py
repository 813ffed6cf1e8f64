from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from clip_runner.mini.plan import Plan
from clip_runner.mini.prepare import Prepared, prepare
from tests.clip_runner.mini.pretrained import write_teachers
from tests.stack import SAMPLE

PLAN = Plan(
    photos=16, views=2, looked=12, frozen=11,
    words=1, locked=2, open=3, batch=8, beside=2, bank=4, phrases=8, corpus=40, seed=7
)  # fmt: skip
LABELS = ("Tshirts", "Shirts", "Casual Shoes", "Watches")


@pytest.fixture(scope="package")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample photos in the form of the training archives, half of them as home photos, half as a shop's."""
    folder = tmp_path_factory.mktemp("archives")
    files = sorted((SAMPLE / "images").glob("*.jpg"))[:17]
    with (folder / "manifest.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["archive", "file", "label", "colour", "kids", "title", "licence"])
        for number, file in enumerate(files):
            home = number % 2 == 0
            row = ["cc0", file.name, "T-Shirt", "", 0, ""]
            if not home:
                row = ["shop224", file.name, LABELS[number % 4], "Red", 0, f"Maker Men Red Thing {number}"]
            table.writerow([*row, ""])
            with zipfile.ZipFile(folder / f"{row[0]}.zip", "a") as packed:
                packed.write(file, file.name)
    return folder


@pytest.fixture(scope="package")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teachers(tmp_path_factory.mktemp("teachers"))


@pytest.fixture(scope="package")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="package")
def prepared(archives: Path, teachers: Path, work: Path) -> Prepared:
    return prepare(archives, teachers, work, PLAN, torch.device("cpu"), lambda _: None)


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and on a busy machine lose much by waiting for each other's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
