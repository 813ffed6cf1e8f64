"""Writes the tables of docs/configuration.md from the two example files, which stay the one place for each line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs/configuration.md"
EXAMPLES = (".env.example", "compose/.env.example")
_HEADING = re.compile(r"# --- (.+)")
_BESIDE = re.compile(r"(?:# )?([A-Z][A-Z0-9_]+)=(.*?)\s+# (.+)")  # NAME=value  # meaning
_BELOW = re.compile(r"(?:# )?([A-Z][A-Z0-9_]+)=(.*)")  # the meaning stands above


def tables(example: str) -> str:
    """One table for each section of an example file: variable, default, meaning."""
    out: list[str] = []
    above: list[str] = []
    for line in example.splitlines():
        if heading := _HEADING.fullmatch(line):
            title = heading[1][0].upper() + heading[1][1:]
            out += ["", f"**{title}**", "", "| variable | default | meaning |", "|---|---|---|"]
        elif row := _BESIDE.fullmatch(line):
            out.append(_row(row[1], "" if line.startswith("#") else row[2], row[3]))
        elif row := _BELOW.fullmatch(line):
            out.append(_row(row[1], row[2], " ".join(above)))
        elif line.startswith("# "):
            above.append(line[2:])
            continue
        above = []
    return "\n".join(out).strip()


def _row(name: str, default: str, meaning: str) -> str:
    cells = (f"`{name}`", f"`{default}`" if default else "", meaning.replace("|", "\\|"))
    return "| " + " | ".join(cells) + " |"


def written(guide: str, examples: Iterable[str] = EXAMPLES) -> str:
    """The guide with its tables as the example files have them now."""
    for name in examples:
        begin, end = f"<!-- from {name}: `make tables` -->", f"<!-- end of {name} -->"
        before, found, rest = guide.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"docs/configuration.md has no place for {name}: {begin} ... {end}")
        guide = f"{before}{begin}\n{tables((ROOT / name).read_text())}\n{end}{after}"
    return guide


if __name__ == "__main__":
    GUIDE.write_text(written(GUIDE.read_text()))
