"""The measurement of a real service with the sample catalogue."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.client import Service
from evaluation.errors import EvaluationError
from evaluation.queries import Query
from evaluation.run import run_queries
from evaluation.zero_shot import zero_shot
from tests.evaluation.test_queries import SAMPLE_QUERIES
from tests.stack import ROOT, SAMPLE, System


@pytest.fixture
def service(system: System) -> Service:
    return Service(system.url)


def evaluation(system: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evaluation", *arguments],
        cwd=ROOT,
        env={**os.environ, "EVAL_API_URL": system.url, "COLUMNS": "180"},
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )


def a_few(folder: Path, *, of: int = 24) -> Path:
    """Every `of`-th of the sample's queries: some of each large kind."""
    file = folder / "few.jsonl"
    file.write_text("".join(SAMPLE_QUERIES.read_text("utf-8").splitlines(keepends=True)[::of]), "utf-8")
    return file


def test_a_rule_means_the_items_that_pass_the_filter(service: Service) -> None:
    dresses = service.ids({"category": "dress"})
    assert len(dresses) == len(set(dresses)) == 9
    assert len(service.ids({"source": "sample"})) == 120


def test_a_photo_of_the_catalogue_is_found_at_the_first_place(service: Service) -> None:
    photo = SAMPLE / "images" / "055-jacket-black.jpg"
    (outcome,) = run_queries(service, [Query(photo=photo, relevant=["images/055-jacket-black"])]).outcomes
    assert set(outcome.metrics.values()) == {1.0, 0.1}  # one of ten places can be right
    assert outcome.metrics["precision@10"] == 0.1


def test_an_item_is_not_relevant_to_itself(service: Service) -> None:
    like = "images/055-jacket-black"
    alone = Query(like=like, relevant=[like])
    among = Query(like=like, relevant={"category": "jacket"})
    run = run_queries(service, [alone, among])
    assert run.left_out == [alone]
    assert like not in run.outcomes[0].relevant
    assert len(run.outcomes[0].relevant) == 7


def test_a_restriction_holds_for_rules_and_results(system: System) -> None:
    within = Service(system.url, within={"gender": "women"})
    (outcome,) = run_queries(within, [Query(query="dress", relevant={"category": "dress"})]).outcomes
    assert len(outcome.relevant) == 3
    assert len(outcome.ranking) == len(within.ids({})) < 20


def test_zero_shot_puts_each_item_into_one_class(service: Service) -> None:
    names = ("dress", "jeans", "sneakers")
    found = zero_shot(service, [Query(query=name, relevant={"category": name}) for name in names])
    assert found is not None
    assert {name: items for name, (items, _) in found.by_class.items()} == {"dress": 9, "jeans": 8, "sneakers": 2}
    right = sum(right for _, right in found.by_class.values())
    assert found.accuracy.mean == pytest.approx(right / 19)
    assert right > 12, "chance is a third"


def test_classes_that_overlap_are_refused(service: Service) -> None:
    overlapping = [Query(query=words, relevant={"category": "dress"}) for words in ("dress", "gown")]
    with pytest.raises(EvaluationError, match="two classes"):
        zero_shot(service, overlapping)


def test_a_run_shows_a_table_and_writes_report_and_contact_sheet(system: System, tmp_path: Path) -> None:
    queries = a_few(tmp_path)
    done = evaluation(system, "run", str(queries), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "precision@10" in done.stdout
    report = json.loads((tmp_path / "few.json").read_text("utf-8"))
    assert report["catalogue"]["total"] == 120
    assert report["all"]["queries"] == len(report["queries"]) == len(queries.read_text("utf-8").splitlines())
    for summary in (*report["kinds"].values(), report["all"]):
        for value in summary["metrics"].values():
            assert 0 <= value["low"] <= value["mean"] <= value["high"] <= 1
    title = report["kinds"]["title"]["metrics"]
    assert title["recall@1"]["mean"] <= title["recall@5"]["mean"] <= title["recall@10"]["mean"]
    page = (tmp_path / "few.html").read_text("utf-8")
    assert len(re.findall(r"<h3>", page)) == min(16, report["all"]["queries"])
    pictures = 10 * page.count("<h3>") + len(re.findall(r"<h3>like", page))  # such a query's own photo
    assert page.count("data:image/webp;base64,") == page.count("<figure") == pictures
    assert "http" not in page, "links run out, and hold signatures"


def test_a_second_run_agrees_and_can_be_compared(system: System, tmp_path: Path) -> None:
    queries = a_few(tmp_path)
    for name in ("one", "two"):
        done = evaluation(system, "run", str(queries), "--out", str(tmp_path), "--name", name, "--no-sheet")
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / "one.html").exists()
    done = evaluation(system, "compare", str(tmp_path / "one.json"), str(tmp_path / "two.json"))
    assert done.returncode == 0, done.stderr
    last = next(line for line in done.stdout.splitlines() if "all queries" in line)
    assert "+0.000" in last
    assert "*" not in last


def test_templates_are_measured_side_by_side(system: System, tmp_path: Path) -> None:
    queries = a_few(tmp_path, of=48)
    arguments = ["--template", "a photo of {query}.", "--template", "photo: {query}"]
    done = evaluation(system, "templates", str(queries), *arguments)
    assert done.returncode == 0, done.stderr
    assert "a photo of {query}." in done.stdout
    assert "photo: {query}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "{queries}", "--template", "{query}"], "PROMPT_TEMPLATE"),
        (["run", "{queries}", "--within", "[1"], "--within is no JSON"),
        (["run", "{queries}", "--within", '{"brand": "x"}'], "422"),
        (["run", "missing.jsonl"], "no such file"),
        (["compare", "{queries}", "{queries}"], "no report"),
    ],
)
def test_a_mistake_is_one_line(system: System, tmp_path: Path, arguments: list[str], reason: str) -> None:
    queries = str(a_few(tmp_path, of=200))
    done = evaluation(system, *(argument.replace("{queries}", queries) for argument in arguments))
    assert done.returncode == 1
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("evaluation: ")


def test_a_service_that_is_not_there_is_named() -> None:
    with pytest.raises(EvaluationError, match="EVAL_API_URL"):
        run_queries(Service("http://127.0.0.1:9"), [Query(query="dress", relevant=["1"])])
