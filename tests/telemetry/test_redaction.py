"""Secrets never reach a line, whoever logs them."""

from __future__ import annotations

import pytest

from telemetry.redaction import HIDDEN, Redactor, secrets_of
from tests.telemetry.conftest import Program


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer sk-live-1234567890", "sk-live-1234567890"),
        ("headers {'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("X-API-Key: 5f3c9a", "5f3c9a"),
        ("connecting to http://root:Milvus123@milvus:19530", "Milvus123"),
        ("GET /fashion/a.jpg?X-Amz-Expires=600&X-Amz-Signature=9f86d081884c7d65&x=1", "9f86d081884c7d65"),
        ("https://discord.com/api/webhooks/123456789/AbCdEf-GhIjKl_MnOp", "AbCdEf-GhIjKl_MnOp"),
        ("MINIO_SECRET_ACCESS_KEY=hunter2hunter2", "hunter2hunter2"),
        ('{"milvus_password": "correct-horse"}', "correct-horse"),
        ("login failed, password: swordfish", "swordfish"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, secret: str) -> None:
    cleaned = Redactor().clean(text)
    assert secret not in cleaned
    assert HIDDEN in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "POST /search-image 200",
        "truncated 3 texts to 77 tokens each",
        "GET http://minio:9000/fashion/coats/12.jpg 404",
        "key column is id, basic colours: 12",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert Redactor().clean(text) == text


def test_a_known_secret_is_hidden_in_any_place() -> None:
    redactor = Redactor(["s3cr3t-value", "abc"])
    assert redactor.clean("odd s3cr3t-value here, abc stays") == f"odd {HIDDEN} here, abc stays"
    assert redactor.clean_value("api_key", "anything") == HIDDEN
    assert redactor.clean_value("note", ["s3cr3t-value"]) == f"['{HIDDEN}']"
    assert redactor.clean_value("status", 200) == 200


def test_the_environment_tells_which_values_are_secret() -> None:
    environment = {"MINIO_ROOT_PASSWORD": "aaaaaaaa", "DISCORD_WEBHOOK_URL": "https://x/y", "MINIO_BUCKET_NAME": "b"}
    assert secrets_of(environment) == {"aaaaaaaa", "https://x/y"}


def test_console_and_files_hold_no_secret_of_the_environment(run_program: Program) -> None:
    code = """
configure_logs('api', LogSettings(), secrets=["from-a-vault"])
logger.bind(sent=os.environ["MILVUS_PASSWORD"]).info("{} and from-a-vault", os.environ["MILVUS_PASSWORD"])
logging.getLogger("minio").error("sent %s", os.environ["MILVUS_PASSWORD"])
try:
    raise ValueError(os.environ["MILVUS_PASSWORD"])
except ValueError:
    logger.exception("refused")
"""
    for log_format in ("json", "text"):
        ran = run_program(code, LOG_FORMAT=log_format, MILVUS_PASSWORD="Zq9-very-secret")
        everything = "\n".join([*ran.console, *ran.lines("process"), *ran.lines("error")])
        assert everything.count(HIDDEN) >= 10
        assert "Zq9-very-secret" not in everything
        assert "from-a-vault" not in everything
