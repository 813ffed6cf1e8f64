"""The webhook as a process, against a stand-in for Discord: each alert arrives once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring.alerts import alert, group
from tests.monitoring.discord_stand_in import Discord, discord
from tests.monitoring.programs import ROOT, Webhook
from tests.monitoring.waiting import until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Webhook, Discord]]:
    with discord() as running:
        webhook = Webhook(
            tmp_path_factory.mktemp("webhook"), DISCORD_WEBHOOK_URL=running.url, ALERT_WEBHOOK_GIVE_UP="3"
        )
        yield webhook, running
        webhook.stop()


@pytest.fixture
def webhook(shared: tuple[Webhook, Discord]) -> Webhook:
    """One process for most tests; its counters go on from test to test."""
    for letter in shared[0].dead_letters():
        letter.unlink()
    return shared[0]


@pytest.fixture
def chat(shared: tuple[Webhook, Discord]) -> Discord:
    shared[1].clear()
    return shared[1]


def test_a_group_arrives_once_although_discord_is_busy_at_first(webhook: Webhook, chat: Discord) -> None:
    chat.planned = [(429, {"message": "You are being rate limited.", "retry_after": 0.3}), (502, {})]
    delivered = 'alert_webhook_messages_total{outcome="delivered"}'
    before, refused = webhook.metric(delivered), webhook.metric('alert_webhook_attempts_total{answer="429"}')
    assert webhook.post(group(alert(), alert(instance="s2:3000"))).status_code == 202
    until(lambda: chat.taken, what="the message")
    until(lambda: webhook.metric(delivered) == before + 1, what="the count")
    assert chat.answers == [429, 502, 200]
    assert chat.titles() == ["Search service s1:3000 does not answer", "Search service s2:3000 does not answer"]
    assert webhook.pending() == []
    assert webhook.metric('alert_webhook_attempts_total{answer="429"}') == refused + 1


def test_a_storm_is_cut_into_messages_that_discord_takes_in_order(webhook: Webhook, chat: Discord) -> None:
    storm = [alert(instance=f"s{number:02d}:3000", note="x" * 5000) for number in range(35)]
    webhook.post(group(*storm))
    until(lambda: len(chat.titles()) == 35, what="all alerts")
    assert set(chat.answers) == {200}
    assert chat.titles() == [f"Search service s{number:02d}:3000 does not answer" for number in range(35)]


def test_what_discord_refuses_becomes_a_dead_letter_and_holds_nothing_up(webhook: Webhook, chat: Discord) -> None:
    chat.planned = [(400, {"message": "Invalid Form Body"})]
    before = webhook.metric('alert_webhook_dead_letters_total{reason="refused"}')
    webhook.post(group(alert(instance="refused:1")))
    webhook.post(group(alert(instance="taken:1")))
    until(lambda: chat.taken, what="the second message")
    assert chat.titles() == ["Search service taken:1 does not answer"]
    (letter,) = webhook.dead_letters()
    content = json.loads(letter.read_text())
    assert content["reason"].startswith("400: ")
    assert content["body"]["embeds"][0]["title"] == "Search service refused:1 does not answer"
    assert webhook.metric('alert_webhook_dead_letters_total{reason="refused"}') == before + 1
    assert "did not reach Discord" in webhook.log.read_text()


def test_what_cannot_be_delivered_in_time_becomes_a_dead_letter(webhook: Webhook, chat: Discord) -> None:
    chat.planned = [(500, {})] * 50
    webhook.post(group(alert()))
    until(webhook.dead_letters, what="the dead letter")
    assert webhook.metric('alert_webhook_dead_letters_total{reason="too_old"}') == 1
    assert chat.taken == []


def test_dead_letters_can_be_sent_again(webhook: Webhook, chat: Discord) -> None:
    chat.planned = [(403, {})]
    webhook.post(group(alert()))
    until(webhook.dead_letters, what="the dead letter")
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "ALERT_WEBHOOK_SPOOL": str(webhook.folder / "spool")}
    command = [sys.executable, "-m", "monitoring.alert_webhook", "resend"]
    subprocess.run(command, env=variables, cwd=webhook.folder, check=True, timeout=60)
    until(lambda: chat.taken, what="the message")
    assert webhook.dead_letters() == []


def test_a_kill_loses_nothing_that_was_accepted(tmp_path: Path, chat: Discord) -> None:
    chat.planned = [(503, {})]
    first = Webhook(tmp_path, DISCORD_WEBHOOK_URL=chat.url)
    accepted = first.post(group(alert()))
    until(lambda: chat.answers, what="the first attempt")
    first.kill()
    assert accepted.status_code == 202
    assert chat.taken == []
    second = Webhook(tmp_path, DISCORD_WEBHOOK_URL=chat.url)
    try:
        until(lambda: chat.taken, what="the message, from the second process")
        until(lambda: not second.pending(), what="the empty spool")
    finally:
        second.stop()
    assert len(chat.taken) == 1


def test_a_file_in_the_spool_that_is_no_message_is_kept_and_told(webhook: Webhook, chat: Discord) -> None:
    (webhook.folder / "spool" / "pending" / "0.json").write_text("{half a mess")
    webhook.post(group(alert()))
    until(lambda: chat.taken, what="the message behind it")
    assert [letter.name for letter in webhook.dead_letters()] == ["0.json"]
    assert webhook.metric('alert_webhook_dead_letters_total{reason="unreadable"}') == 1


def test_without_an_address_messages_are_logged(tmp_path: Path) -> None:
    webhook = Webhook(tmp_path)
    try:
        webhook.post(group(alert()))
        until(lambda: webhook.metric('alert_webhook_messages_total{outcome="dry"}') == 1, what="the dry run")
    finally:
        webhook.stop()
    log = webhook.log.read_text()
    assert "DISCORD_WEBHOOK_URL is not set" in log
    assert "Search service s1:3000 does not answer" in log


def test_the_address_never_stands_in_the_log(webhook: Webhook, chat: Discord) -> None:
    chat.planned = [(500, {})]
    webhook.post(group(alert()))
    until(lambda: chat.taken, what="the message")
    assert "test-token_of-the-stand-in" not in webhook.log.read_text()


def test_a_body_that_is_no_alert_group_is_refused(webhook: Webhook) -> None:
    assert webhook.post({"alerts": "no"}).status_code == 422
    assert webhook.pending() == []


def test_a_spool_that_cannot_be_written_is_said_so_that_alertmanager_repeats(webhook: Webhook) -> None:
    pending = webhook.folder / "spool" / "pending"
    pending.rename(webhook.folder / "away")
    assert webhook.post(group(alert())).status_code == 503
    (webhook.folder / "away").rename(pending)
    assert webhook.post(group(alert())).status_code == 202
