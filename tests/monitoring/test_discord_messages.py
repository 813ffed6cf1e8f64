"""Messages always fit into Discord's limits, and say what matters first."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.alert_webhook.alerts import AlertGroup
from monitoring.alert_webhook.discord import cut, length, messages
from tests.monitoring.alerts import alert, group
from tests.monitoring.discord_stand_in import limit_problems

_TEXTS = st.one_of(st.text(max_size=40), st.text(alphabet="a🧥 \n*@", min_size=200, max_size=9000))


@st.composite
def _alerts(draw: st.DrawFn) -> dict[str, Any]:
    made = alert(draw(_TEXTS), status=draw(st.sampled_from(["firing", "resolved"])))
    made["labels"] |= draw(st.dictionaries(st.text(min_size=1, max_size=400), _TEXTS, max_size=40))
    made["annotations"] = draw(st.dictionaries(st.sampled_from(["summary", "description", "runbook_url"]), _TEXTS))
    return made


@settings(max_examples=150, deadline=None)
@given(st.lists(_alerts(), max_size=40), st.text(max_size=3000))
def test_any_group_fits_into_the_limits_and_no_alert_is_left_out(alerts: list[dict[str, Any]], base: str) -> None:
    bodies = messages(AlertGroup.model_validate(group(*alerts)), runbook_base_url=base)
    assert [problem for body in bodies for problem in limit_problems(body)] == []
    assert sum(len(body["embeds"]) for body in bodies) == len(alerts)


@given(st.text(alphabet="a🧥é\n", max_size=300), st.integers(1, 100))
def test_cutting_keeps_the_start_and_marks_the_end(text: str, limit: int) -> None:
    result = cut(text, limit)
    assert length(result) <= limit
    assert result == text or (result.endswith("…") and text.startswith(result[:-1]))


def test_firing_comes_first_and_resolved_is_green() -> None:
    resolved, firing = alert(status="resolved", instance="s2:3000"), alert(instance="s1:3000")
    (body,) = messages(AlertGroup.model_validate(group(resolved, firing)))
    assert body["content"] == "**ServiceDown**: 1 firing, 1 resolved"
    assert [embed["title"] for embed in body["embeds"]] == [
        "Search service s1:3000 does not answer",
        "Resolved: Search service s2:3000 does not answer",
    ]
    red, green = (embed["color"] for embed in body["embeds"])
    assert red >> 16 > 0x80 > red >> 8 & 0xFF
    assert green >> 8 & 0xFF > 0x80 > green >> 16


def test_the_runbook_is_a_link_where_its_address_is_known() -> None:
    parsed = AlertGroup.model_validate(group(alert()))
    (without,) = messages(parsed)
    (with_base,) = messages(parsed, runbook_base_url="https://example.org/repo/blob/main/")
    assert without["embeds"][0]["fields"][-1]["value"] == "docs/runbook.md#servicedown"
    assert (
        with_base["embeds"][0]["fields"][-1]["value"]
        == "https://example.org/repo/blob/main/docs/runbook.md#servicedown"
    )


def test_no_label_can_call_everyone() -> None:
    (body,) = messages(AlertGroup.model_validate(group(alert(part="@everyone"))))
    assert body["allowed_mentions"] == {"parse": []}
