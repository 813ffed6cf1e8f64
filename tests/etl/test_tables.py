from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from etl.columns import ColumnMap, fields_of
from etl.dataset import Dataset, Record
from etl.errors import EtlError, RecordError
from etl.sources.folder import FolderTree
from etl.sources.table import Row, open_table
from etl.sources.web import WebSession, is_public


def text(content: str) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(content.encode())


def rows(name: str, content: str) -> list[Any]:
    table = open_table(name, text(content))
    found = list(table.rows())
    assert table.count == len(found)
    assert list(table.rows()) == found or any(isinstance(row, RecordError) for row in found)
    return found


def test_a_column_has_the_type_that_all_its_cells_have() -> None:
    assert rows("t.csv", "n,d,b,s,m,code\n1,1.5,true,x,1,007\n2,3,FALSE,y,n/a,042\n,,,,,\n") == [
        {"n": 1, "d": 1.5, "b": True, "s": "x", "m": "1", "code": "007"},
        {"n": 2, "d": 3.0, "b": False, "s": "y", "m": "n/a", "code": "042"},
        {"n": None, "d": None, "b": None, "s": None, "m": None, "code": None},
    ]


def test_csv_as_it_comes() -> None:
    assert rows("t.csv", "\ufefffile;title\na.jpg;rot, weiß\n") == [{"file": "a.jpg", "title": "rot, weiß"}]
    assert rows("t.tsv", "file\ttitle\na.jpg\tx\n") == [{"file": "a.jpg", "title": "x"}]
    assert rows("t.csv", 'file,title\r\na.jpg,"two\nlines, ""quoted"""\r\n\r\n') == [
        {"file": "a.jpg", "title": 'two\nlines, "quoted"'}
    ]
    assert rows("t.csv", "file,title\na.jpg\n") == [{"file": "a.jpg", "title": None}]
    assert rows("t.csv", "file,,title\na.jpg,1,x\n") == [{"file": "a.jpg", "title": "x"}]
    too_long = rows("t.csv", "file,title\na.jpg,x,y\nb.jpg,z\n")
    assert (too_long[0].code, too_long[1]) == ("bad_row", {"file": "b.jpg", "title": "z"})


def test_json_lines() -> None:
    lines = [
        '{"file": "a.jpg", "price": 3, "tags": ["x", "é"], "size": {"w": 1}}',
        "",
        "{broken",
        "[1]",
        '{"file": "b.jpg", "price": null, "new": NaN, "on": true}',
    ]
    found = rows("t.jsonl", "\n".join(lines))
    assert found[0] == {"file": "a.jpg", "price": 3, "tags": '["x", "é"]', "size": '{"w": 1}'}
    assert [found[1].message, found[2].message] == ["line 3 is no JSON", "line 4 is no JSON object"]
    assert found[3] == {"file": "b.jpg", "price": None, "new": None, "on": True}
    assert open_table("t.ndjson", text("\n".join(lines))).columns == ["file", "price", "tags", "size", "new", "on"]


def test_parquet(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    columns = {"file": ["a.jpg", None], "price": [1.5, float("nan")], "n": [1, None], "tags": [["x"], None]}
    parquet.write_table(pa.table(columns), file)
    table = open_table(file.name, lambda: file.open("rb"))
    assert (table.columns, table.count) == (["file", "price", "n", "tags"], 2)
    assert list(table.rows()) == [
        {"file": "a.jpg", "price": 1.5, "n": 1, "tags": '["x"]'},
        {"file": None, "price": None, "n": None, "tags": None},
    ]


def test_a_table_that_cannot_be_read_is_one_line() -> None:
    with pytest.raises(EtlError, match=r"t\.csv: the table is not in UTF-8 .*; save it as UTF-8"):
        open_table("t.csv", lambda: io.BytesIO(b"file\n\xff\xfe.jpg\n"))
    with pytest.raises(EtlError, match=r"t\.parquet: the table cannot be read"):
        open_table("t.parquet", text("no parquet"))


def test_columns_become_fields() -> None:
    columns = ColumnMap.parse('file = "Bild"\n[columns]\nName = "title"\n"Grund" = ""\n', "etl.toml")
    names = ["Bild", "Name", "Grund", "color", "price"]
    targets = columns.targets(names, leave_out=["Bild"])
    assert targets == {"Name": "title", "color": "colour", "price": "price"}
    row: Row = {"Bild": "a.jpg", "Name": 7, "Grund": "x", "color": None, "price": 7}
    assert fields_of(row, targets) == {"title": "7", "price": 7}
    assert columns.photo_column(names) == "Bild"
    changed = columns.changed(["price=cost", "color="], id_column="Name")
    assert changed.targets(names, leave_out=["Bild"]) == {"Name": "title", "price": "cost"}
    assert changed.key_column(names) == "Name"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["source"], "--map source=other_name"),
        (["vector"], "catalogue's own"),
        (["$meta"], "catalogue's own"),
        (["a\nb"], "control characters"),
        (["colour", "color"], "two columns would become the field 'colour'"),
    ],
)
def test_fields_that_cannot_be(columns: list[str], message: str) -> None:
    with pytest.raises(EtlError, match=message):
        ColumnMap().targets(columns, leave_out=[])


def test_a_mapping_that_makes_no_sense_is_one_line() -> None:
    for mapping in ("[columns]\na = 1", "colums = 3", "not toml"):
        with pytest.raises(EtlError, match=r"etl\.toml"):
            ColumnMap.parse(mapping, "etl.toml")
    with pytest.raises(EtlError, match="write column=field"):
        ColumnMap().changed(["nonsense"])


def records(folder: Path, table: str | None, *, name: str = "metadata.jsonl", prefix: str = "") -> list[Record]:
    opened = open_table(name, text(table)) if table is not None else None
    web = WebSession(allowed=is_public, timeout=1, connections=1)
    tree = FolderTree(folder, most=1000)
    return list(Dataset("shop", tree, opened, ColumnMap(), web, most=1000, prefix=prefix))


def test_ids(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.b.jpg").write_bytes(b"a")
    assert [(r.id, r.path, r.source) for r in records(tmp_path, None)] == [("x/a.b", "x/a.b.jpg", "shop")]
    lines = [
        {"file": "./x/a.b.jpg"},
        {"file": "x\\a.b.jpg", "id": 7},
        {"url": "u", "file": "https://cdn.example/x/a.b.jpg?w=1", "id": None},
        {"file": "https://cdn.example/x/a.b.jpg"},
        {"file": None, "id": "no photo"},
        {"file": "../out.jpg"},
        {"file": "../out.jpg", "id": "known"},
    ]
    found = records(tmp_path, "\n".join(map(json.dumps, lines)), prefix="s:")
    assert [record.id for record in found[:4]] == ["s:x/a.b", "s:7", "s:x/a.b.jpg?w=1", "s:x/a.b"]
    assert [record.problem.code for record in found[4:] if record.problem] == [
        "missing_path",
        "outside_source",
        "outside_source",
    ]
    assert [record.id for record in found[4:]] == ["s:no photo", "", "s:known"]


def test_ids_and_texts_are_taken_as_they_are_written(tmp_path: Path) -> None:
    table = "id,file,title,price\n1.50,true,2.10,3.10\n1.5,false,7,4\n"
    found = records(tmp_path, table, name="metadata.csv")
    assert [(r.id, r.path) for r in found] == [("1.50", "true"), ("1.5", "false")]
    assert [r.fields for r in found] == [{"title": "2.10", "price": 3.1}, {"title": "7", "price": 4.0}]


def test_a_url_is_private_until_it_is_allowed(tmp_path: Path) -> None:
    record = records(tmp_path, '{"file": "http://127.0.0.1:9/a.jpg"}')[0]
    with pytest.raises(RecordError) as caught:
        record.read(None)
    assert caught.value.code == "private_address"
    assert "--allow-private" in caught.value.message
