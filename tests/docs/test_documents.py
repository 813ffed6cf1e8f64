"""What the documents promise is run."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.stack import ROOT, System

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)
COMMANDS = [text for language, text in BLOCKS if language == "bash"]


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("command", [text for text in COMMANDS if text.startswith("curl")])
def test_every_curl_of_the_readme_answers(system: System, command: str) -> None:
    ran = run(system, command)
    assert "error" not in ran
    assert ran.get("results") or ran.get("embeddings")


def test_the_printed_answer_is_the_real_one(system: System) -> None:
    index = next(number for number, (language, _) in enumerate(BLOCKS) if language == "json")
    printed, real = json.loads(BLOCKS[index][1]), run(system, BLOCKS[index - 1][1])
    assert shape(printed) == shape(real)
    for answer in (printed, real):
        # What differs from one run to the next: times, signatures, and the last digits of a float.
        answer.pop("total_ms"), answer.pop("timings")
        answer["results"][0].pop("url")
        answer["results"][0]["score"] = round(answer["results"][0]["score"], 2)
    assert printed == real


@pytest.mark.parametrize("command", [text for text in COMMANDS if text.startswith("make")])
def test_every_make_target_of_the_readme_exists(command: str) -> None:
    # `make run` and `make etl` are run for real in tests/local and tests/etl.
    done = subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_link_leads_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_pictures_stay_small() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    endings = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg")
    pictures = [ROOT / name for name in tracked.splitlines() if name.endswith(endings)]
    assert sum(picture.stat().st_size for picture in pictures if picture.exists()) < 4 * 1024 * 1024


def run(system: System, command: str) -> dict[str, Any]:
    """Run a command of the README against the tests' system; its answer."""
    here = command.replace("http://127.0.0.1:3000", system.url)
    done = subprocess.run(["bash", "-c", here], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return dict(json.loads(done.stdout))


def shape(value: Any) -> Any:
    """The keys of an answer, without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else None
