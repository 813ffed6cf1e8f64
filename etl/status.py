"""What was loaded, and how it stands."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from catalog.facets import Facets
from etl.checkpoint import Checkpoint
from etl.dead_letters import DeadLetters
from etl.job import Job


def status(job: Job) -> dict[str, Any]:
    """The collections, the one that is searched, and each source that was loaded from this state folder.

    Sources that were loaded from another one are those that the facets of the last load tell of.
    """
    call, vectors = job.patience.call, job.vectors
    current = call("milvus", vectors.current)
    collections = []
    for name in call("milvus", vectors.collections):
        collection = call("milvus", vectors.collection, name)
        if collection is not None:
            collections.append(
                {
                    "name": name,
                    "searched": current is not None and current.name == name,
                    "model": collection.model.model,
                    "dim": collection.model.dim,
                    "items": call("milvus", vectors.count, collection),
                }
            )
    sources = [_source(job, name) for name in job.state.sources()]
    for source in sources:
        source["items"] = call("milvus", vectors.count, current, source=source["name"]) if current else 0
    known = {source["name"] for source in sources}
    facets: Facets = call("milvus", vectors.facets, current) if current else Facets()
    elsewhere = {str(name): count for name, count in facets.fields.get("source", []) if name not in known}
    return {"collections": collections, "sources": sources, "loaded_elsewhere": elsewhere}


def as_text(found: dict[str, Any], folder: Path) -> str:
    """A status for people; `folder` is the state folder that it was asked of."""
    lines = ["collections:"] if found["collections"] else ["nothing has been loaded yet"]
    for one in found["collections"]:
        mark = "searched" if one["searched"] else "not searched"
        lines.append(f"  {one['name']}  {one['items']} items, {one['model']}, {mark}")
    if found["sources"] or found["loaded_elsewhere"]:
        lines.append("sources:")
    for one in found["sources"]:
        state = "interrupted; run it again" if one["interrupted"] else f"last loaded {one['ended']}"
        lines.append(f"  {one['name']}  {one['items']} items, {state}, from {one['address']}")
        if one["failed"]:
            lines.append("    failed: " + ", ".join(f"{count} {code}" for code, count in one["failed"].items()))
    for name, count in found["loaded_elsewhere"].items():
        lines.append(f"  {name}  {count} items, not loaded from {folder}")
    if checked := found.get("verified"):
        lines.append(
            f"verified: {checked['items']} items, {len(checked['missing_photos'])} without a photo, "
            f"{checked['searched'] - len(checked['not_found'])} of {checked['searched']} photos found their item, "
            f"{len(checked['lost_items'])} items lost, {checked['unused_objects']} objects that no item uses"
        )
    return "\n".join(lines)


def _source(job: Job, name: str) -> dict[str, Any]:
    with closing(Checkpoint(job.state.checkpoint(name))) as checkpoint:
        began, ended = checkpoint.fact("began"), checkpoint.fact("ended")
        return {
            "name": name,
            "address": (checkpoint.fact("source") or {}).get("address"),
            "collection": checkpoint.fact("collection"),
            "began": began,
            "ended": ended,
            "interrupted": began is not None and ended is None,
            "counts": checkpoint.fact("counts") or {},
            "failed": dict(DeadLetters(job.state.dead_letters(name)).codes()),
        }
