from __future__ import annotations

import csv
from pathlib import Path

import pytest

from evaluation.errors import EvaluationError
from evaluation.queries import Query, read_queries
from evaluation.run import in_template
from tests.stack import ROOT, SAMPLE

SAMPLE_QUERIES = ROOT / "evaluation" / "queries" / "sample.jsonl"


def a_file(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def test_json_lines_hold_words_photos_and_items(tmp_path: Path) -> None:
    file = a_file(
        tmp_path,
        "q.jsonl",
        '{"query": "dress", "relevant": {"category": "dress"}, "kind": "class"}\n\n'
        '{"photo": "p/a.jpg", "relevant": ["1"]}\n{"like": "7", "query": "red", "relevant": ["2", "3"]}\n',
    )
    words, photo, like = read_queries(file)
    assert (words.kind, words.relevant) == ("class", {"category": "dress"})
    assert photo.photo == tmp_path / "p" / "a.jpg"
    assert like.name == "red + like 7"


def test_a_table_names_ids_with_semicolons_or_holds_a_rule(tmp_path: Path) -> None:
    text = 'query,relevant,kind,like\nred hat,1; 2,colour,\ndress,"{""category"": ""dress""}",,\n,3,,7\n'
    first, second, third = read_queries(a_file(tmp_path, "q.csv", text))
    assert first.relevant == ["1", "2"]
    assert second.relevant == {"category": "dress"}
    assert (second.kind, third.like) == ("all", "7")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("q.jsonl", '{"query": "a", "relevant": ["1"]}\n{"query": ', "line 2.*JSON"),
        ("q.jsonl", '{"relevant": ["1"]}', "line 1.*give query"),
        ("q.jsonl", '{"query": "a", "relevant": []}', "relevant names nothing"),
        ("q.jsonl", '{"query": "a", "relevant": ["1"], "weight": 3}', "line 1.*weight"),
        ("q.csv", "query,relevant\na,\n", "line 2.*relevant names nothing"),
        ("q.csv", 'query,relevant\na,"{""x"": "\n', "line 2.*JSON"),
        ("q.jsonl", "\n", "holds no queries"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason):
        read_queries(a_file(tmp_path, name, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no such file"):
        read_queries(tmp_path / "none.jsonl")


def test_a_template_leaves_words_alone_that_say_photo() -> None:
    template = "a shop photo of {query}"
    assert in_template(Query(query="dress", relevant=["1"]), template).query == "a shop photo of dress"
    assert in_template(Query(query="Photo of hats", relevant=["1"]), template).query == "Photo of hats"
    assert in_template(Query(like="1", relevant=["2"]), template).query is None


def test_the_queries_of_the_sample_name_what_is_in_the_sample() -> None:
    with (SAMPLE / "metadata.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    ids = {row["file"].removesuffix(".jpg") for row in rows}
    for query in read_queries(SAMPLE_QUERIES):
        if isinstance(query.relevant, list):
            assert set(query.relevant) <= ids, query.name
        else:
            rule = {name: value if isinstance(value, list) else [value] for name, value in query.relevant.items()}
            assert any(all(row[name] in values for name, values in rule.items()) for row in rows), query.name
        assert query.like is None or query.like in ids
