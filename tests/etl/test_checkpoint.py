"""What a load remembers of photos on their way."""

from __future__ import annotations

from pathlib import Path

from etl.checkpoint import Checkpoint, Known


def test_only_photos_without_an_answer_count_as_in_flight(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "shop.db")
    checkpoint.begin("items_1")
    checkpoint.settle([Known("failed", "old mark", "old hash", "")])
    checkpoint.sent(["settled", "failed", "killed"])
    checkpoint.settle([Known("settled", "mark", "hash", "")])
    checkpoint.came_back(["failed"])
    assert checkpoint.begin("items_1") == 1
    assert checkpoint.known(["failed"])["failed"].hash == "old hash"
    checkpoint.close()
