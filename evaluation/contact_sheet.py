"""The best and the worst queries as one HTML page, photos included, so that a person can look."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from html import escape

from PIL import Image, ImageOps

from evaluation.queries import Query
from evaluation.run import Outcome, Run

SHOWN = 8
"""Queries of each sort."""

_RANKS = 10
_THUMB = 112
_STYLE = """
:root { color-scheme: light dark; } body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; }
ol { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0; }
figure { margin: 0; width: 118px; font-size: 11px; overflow-wrap: anywhere; }
img { display: block; width: 112px; height: 112px; object-fit: contain; border: 3px solid #c33; background: #fff; }
.relevant img { border-color: #283; } .query img { border-color: #777; }
h3 { margin: 1.5rem 0 .3rem; } h3 small { font-weight: normal; }
"""


def contact_sheet(
    run: Run, fetch: Callable[[str], bytes], asked: Callable[[Query], bytes | None], *, title: str
) -> str:
    """A page of its own, without links: the queries with the highest and the lowest mAP and their first ten results.

    `fetch` gives a photo by its link, `asked` the photo that a query shows, if any. Relevant results have a green frame
    and the word beside them.
    """
    ordered = sorted(run.outcomes, key=lambda outcome: (outcome.metrics["map"], outcome.metrics["ndcg@10"]))
    worst = ordered[:SHOWN]
    best = [outcome for outcome in reversed(ordered) if outcome not in worst][:SHOWN]
    thumbs: dict[str, str] = {}
    for outcome in (*worst, *best):
        for found in outcome.ranking[:_RANKS]:
            if found.id not in thumbs:
                thumbs[found.id] = _thumbnail(fetch(found.url))
    sections = _section("Worst queries", worst, thumbs, asked) + _section("Best queries", best, thumbs, asked)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{sections}"
    )


def _section(
    title: str, outcomes: Sequence[Outcome], thumbs: dict[str, str], asked: Callable[[Query], bytes | None]
) -> str:
    return f"<h2>{title}</h2>" + "".join(_row(outcome, thumbs, asked(outcome.query)) for outcome in outcomes)


def _row(outcome: Outcome, thumbs: dict[str, str], photo: bytes | None) -> str:
    measures = f"{outcome.query.kind}; {len(outcome.relevant)} relevant; mAP {outcome.metrics['map']:.2f}"
    cells = [] if photo is None else [_cell(_thumbnail(photo), "the query's photo", "the query's photo", "query")]
    for rank, found in enumerate(outcome.ranking[:_RANKS], start=1):
        good = found.id in outcome.relevant
        caption = f"{rank}. {found.score:.3f} {'relevant' if good else ''}<br>{escape(found.id)}"
        cells.append(_cell(thumbs[found.id], escape(found.id), caption, "relevant" if good else "other"))
    return f"<h3>{escape(outcome.query.name)} <small>{escape(measures)}</small></h3><ol>{''.join(cells)}</ol>"


def _cell(image: str, alt: str, caption: str, frame: str) -> str:
    picture = f'<img src="{image}" alt="{alt}">'
    return f'<li><figure class="{frame}">{picture}<figcaption>{caption}</figcaption></figure></li>'


def _thumbnail(photo: bytes) -> str:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(photo))).convert("RGB")
    image.thumbnail((_THUMB, _THUMB))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()
