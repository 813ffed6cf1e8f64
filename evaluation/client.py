"""The service as its public API shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import requests

from evaluation.errors import EvaluationError
from evaluation.queries import Query, Rule

PAGE = 100
MAX_ITEMS = 1_100
"""The API answers at most 100 results from offset 1,000 on: no filter can be read beyond this."""

_TIMEOUT = 60
_ATTEMPTS = 6


@dataclass(frozen=True)
class Found:
    """One result of a search; `score` is the raw cosine."""

    id: str
    score: float
    url: str


class Service:
    """Searches a running service. Waits a bounded time when it is overloaded or a part of it is away."""

    def __init__(self, url: str, *, api_key: str = "", within: Rule | None = None) -> None:
        """`within` restricts all searches to the items that pass this filter."""
        self.url = url
        self.within = within or {}
        self.model = ""
        self._session = requests.Session()
        self._session.trust_env = False
        if api_key:
            self._session.headers["X-API-Key"] = api_key

    def search(self, query: Query, depth: int) -> list[Found]:
        """The first `depth` results (at most 100), best first."""
        fields: dict[str, Any] = {"top_k": depth, "text_weight": query.text_weight, "filters": self.within}
        fields |= {name: value for name, value in (("query", query.query), ("like", query.like)) if value}
        return self._results(fields, query.photo)

    def ids(self, rule: Rule) -> list[str]:
        """The ids of all items that pass a filter, in no meaning order."""
        return [found.id for found in self.scores("photo", rule)]

    def scores(self, words: str, rule: Rule) -> Iterator[Found]:
        """All items that pass a filter, with their cosine to `words`; EvaluationError for more than 1,100."""
        for offset in range(0, MAX_ITEMS, PAGE):
            fields = {"query": words, "filters": self._inside(rule), "top_k": PAGE, "offset": offset}
            results = self._results(fields)
            yield from results
            if len(results) < PAGE:
                return
        raise EvaluationError(
            f"{orjson.dumps(rule).decode()} lets {MAX_ITEMS:,} items or more pass, more than the API can list; "
            "make the rule narrower, or give ids"
        )

    def catalogue(self) -> dict[str, Any]:
        """The answer of `/facets`."""
        return self._call("GET", "/facets")

    def photo(self, url: str) -> bytes:
        """A result's photo, by its link."""
        try:
            answer = requests.get(url, timeout=_TIMEOUT)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise EvaluationError(f"a result's photo cannot be fetched by its link: {error}") from error
        return answer.content

    def query_photo(self, query: Query) -> bytes | None:
        """The photo that a query shows: its own, or that of the item it names."""
        if query.photo is not None:
            return _content(query.photo)
        return self.photo(self._call("GET", f"/items/{quote(query.like, safe='')}")["url"]) if query.like else None

    def _inside(self, rule: Rule) -> Rule:
        if twice := rule.keys() & self.within.keys():
            raise EvaluationError(f"{min(twice)} is used by a rule and by --within; only one of them can")
        return rule | self.within

    def _results(self, fields: dict[str, Any], photo: Path | None = None) -> list[Found]:
        if photo is None:
            answer = self._call("POST", "/search-image", json=fields)
        else:
            form = fields | {"filters": orjson.dumps(fields["filters"]).decode()}
            answer = self._call("POST", "/search-image", data=form, files={"file": (photo.name, _content(photo))})
        if self.model and answer["model"] != self.model:
            raise EvaluationError("the service changed its model during the measurement; measure again")
        self.model = answer["model"]
        return [Found(result["id"], result["score"], result["url"]) for result in answer["results"]]

    def _call(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._session.request(method, self.url + path, timeout=_TIMEOUT, **what)
            except requests.RequestException as error:
                raise EvaluationError(
                    f"no service answers at {self.url}; start one (make run), or name it: EVAL_API_URL"
                ) from error
            if answer.status_code not in (429, 503) or attempt == _ATTEMPTS:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", attempt)), 10))
        if answer.ok:
            return dict(answer.json())
        try:
            reason = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            reason = answer.text[:200]
        raise EvaluationError(f"{self.url}{path} answered {answer.status_code}: {reason}")


def _content(photo: Path) -> bytes:
    try:
        return photo.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{photo}: the query's photo cannot be read: {error.strerror}") from error
