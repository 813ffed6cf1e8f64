"""Results and items as HTML: whole photos, each with its data and its links. All texts are escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ui.state import SearchState

_MAIN = ("category", "colour", "gender")


def grid(results: Sequence[dict[str, Any]], state: SearchState) -> str:
    """Cards in rows of three; on a narrow screen in rows of two."""
    best = max((result["score"] for result in results), default=0.0)
    cards = "".join(_card(result, state, best) for result in results)
    return f'<ul class="fs-grid" data-photos role="list" aria-label="Results">{cards}</ul>'


def large(item: dict[str, Any], state: SearchState) -> str:
    """One item, large, with all its data."""
    title = title_of(item)
    rows = "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in item["metadata"].items()
        if name != "title"
    )
    back = "Back to the results" if not state.with_(item="").empty else "Back to the start"
    return (
        f'<section class="fs-large" data-photos aria-label="Item">'
        f'<div class="fs-stage"><img src="{escape(item["url"])}" alt="{escape(title)}"></div>'
        f'<div class="fs-facts"><a class="fs-back" data-go="top" href="{escape(state.link(item=""))}">← {back}</a>'
        f"<h2>{escape(title)}</h2><dl>{rows}</dl>"
        f'<a class="fs-button" data-go="top" href="{escape(SearchState(like=item["id"]).link())}">More like this</a>'
        f"</div></section>"
    )


def examples(pictures: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Example searches to click, each with the photo it finds first."""
    cards = "".join(
        f'<li><a data-go="top" href="{escape(SearchState(words=words).link())}">'
        f'<img src="{escape(item["url"])}" alt=""><span>{escape(words)}</span></a></li>'
        for words, item in pictures
    )
    return f'<ul class="fs-grid fs-examples" data-photos role="list" aria-label="Example searches">{cards}</ul>'


def title_of(item: dict[str, Any]) -> str:
    """An item's title, or what comes nearest to one."""
    data = item["metadata"]
    words = [str(data[name]) for name in ("colour", "category") if data.get(name)]
    return str(data.get("title") or " ".join(words) or item["id"])


def _card(result: dict[str, Any], state: SearchState, best: float) -> str:
    title = title_of(result)
    fields = " · ".join(str(result["metadata"][name]) for name in _MAIN if result["metadata"].get(name))
    # A cosine of 0.25 is a good one: shown is how close a result comes to the best of this search.
    share = max(0.04, min(1.0, result["score"] / best)) if best > 0 else 0.04
    similar = SearchState(like=result["id"], filters=state.filters)
    return (
        f'<li class="fs-card"><a class="fs-photo" data-go="top" href="{escape(state.link(item=result["id"]))}" '
        f'aria-label="Show {escape(title)} large">'
        f'<img src="{escape(result["url"])}" alt="{escape(title)}" loading="lazy"></a>'
        f'<div class="fs-match" role="img" aria-label="Match: {share:.0%} of the best result" '
        f'title="How close this comes to the best result (similarity {result["score"]:.3f})">'
        f'<i style="width:{share:.0%}"></i></div>'
        f'<p class="fs-title">{escape(title)}</p><p class="fs-fields">{escape(fields)}</p>'
        f'<a class="fs-more" data-go="top" href="{escape(similar.link())}" '
        f'aria-label="More like this: {escape(title)}">More like this</a></li>'
    )
