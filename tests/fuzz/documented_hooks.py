"""What schemathesis cannot know: photos that are photos, and the filters and items that the sample catalogue has.

Only requests that are to be accepted are helped along; those that are to be refused stay as they were made up.
"""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext
from schemathesis.generation import GenerationMode

from clip_runner.pixels import FORMATS
from tests.photos import encoded, picture

_PHOTOS = [encoded(picture(width, 40, seed=width), name) for name in FORMATS for width in (40, 64, 300)]
_FILTERS: tuple[dict[str, Any], ...] = (
    {}, {"colour": "black"}, {"colour": ["black", "grey"], "category": "jacket"}, {"category": '") or (id != "'},
    {"licence": "CC0-1.0"}, {"licence": [1, 1.5, True, "\N{GRINNING FACE}"]},
)  # fmt: skip
_ITEM = "images/055-jacket-black"

schemathesis.openapi.format("binary", st.sampled_from(_PHOTOS))


schemathesis.openapi.format("json", st.sampled_from([json.dumps(filters) for filters in _FILTERS]))


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:  # noqa: ARG001 - its call
    """Give a JSON search that is to be accepted filters and an item that exist."""
    body = case.body
    positive = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if not positive or case.media_type != "application/json" or not isinstance(body, dict):
        return
    if body.get("filters"):
        body["filters"] = _FILTERS[len(str(body["filters"])) % len(_FILTERS)]
    if body.get("like") and len(str(body)) % 2:
        body["like"] = _ITEM


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:  # noqa: ARG001 - its call
    """Leave out forms in which nothing is wrong, though they were made to have something wrong in them.

    An empty list is no field at all, and empty filters break one of the schema's alternatives, but not the other.
    """
    form = case.body if case.media_type == "multipart/form-data" else None
    return not (isinstance(form, dict) and (form.get("filters") == "" or any(value == [] for value in form.values())))
