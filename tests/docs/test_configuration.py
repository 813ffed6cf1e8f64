"""The configuration guide and the example files say what the programs and the compose files really read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from api.settings import ServiceSettings
from clip_runner.settings import RunnerSettings
from etl.settings import EtlSettings
from evaluation.settings import EvaluationSettings
from local.settings import LocalSettings
from monitoring.alert_webhook.settings import WebhookSettings
from scripts.configuration import GUIDE, written
from telemetry.settings import LogSettings
from tests.stack import ROOT
from ui.settings import UiSettings

CLASSES = (
    ServiceSettings, RunnerSettings, EtlSettings, EvaluationSettings, UiSettings, LogSettings, LocalSettings,
    WebhookSettings,
)  # fmt: skip
# name: (whether it is commented out, value, meaning)
EXAMPLE = {
    match[2]: (bool(match[1]), match[3], match[4])
    for match in re.finditer(r"^(# )?([A-Z][A-Z0-9_]+)=(.*?)\s+# (.+)$", (ROOT / ".env.example").read_text(), re.M)
}
# Texts for people on a laptop; without the variable, lines for machines.
DIFFERS_ON_PURPOSE = {"LOG_FORMAT"}


def defaults(*classes: type[BaseSettings]) -> dict[str, FieldInfo]:
    return {name.upper(): field for settings in classes for name, field in settings.model_fields.items()}


def test_the_guide_has_the_lines_of_the_example_files() -> None:
    guide = GUIDE.read_text()
    assert guide == written(guide), "run `make tables`"


def test_the_example_has_every_setting_and_no_other() -> None:
    assert set(EXAMPLE) == set(defaults(*CLASSES))


@pytest.mark.parametrize("settings", CLASSES)
def test_the_example_has_the_real_defaults(settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    make: Callable[..., BaseSettings] = settings
    for name in defaults(settings):
        monkeypatch.delenv(name, raising=False)
    for name in defaults(settings):
        commented, value, _ = EXAMPLE[name]
        if not commented and name not in DIFFERS_ON_PURPOSE:
            default = getattr(make(_env_file=None), name.lower())
            read = getattr(make(_env_file=None, **{name.lower(): value}), name.lower())
            assert read == default, f"{name}: {value!r} in .env.example, {default!r} in {settings.__name__}"


@pytest.mark.parametrize(
    ("file", "service", "classes", "set_by_its_start"),
    [
        ("application.yaml", "fashion-search", (ServiceSettings, RunnerSettings, LogSettings), {"DRAIN_FILE"}),
        ("application.yaml", "ui", (UiSettings, LogSettings), set()),
        ("etl.yaml", "etl", (EtlSettings, LogSettings), set()),
    ],
)
def test_compose_passes_every_setting_on(
    file: str, service: str, classes: tuple[type[BaseSettings], ...], set_by_its_start: set[str]
) -> None:
    composed: dict[str, Any] = yaml.safe_load((ROOT / "compose" / file).read_text())["services"][service]["environment"]
    assert set(defaults(*classes)) - set(composed) == set_by_its_start


def test_defaults_of_compose_are_those_of_the_programs() -> None:
    differ = {
        "ENVIRONMENT",  # production
        "MILVUS_HOST", "MILVUS_USER", "MINIO_ENDPOINT", "MINIO_PUBLIC_ENDPOINT", "MODEL_SERVING_HOST",
        "MODEL_SERVING_PORT",  # the network's names
        "MODEL_ID",  # the bundled model, as a path in the image
        "TRUSTED_PROXIES",  # the network
        "ETL_STATE_DIR", "UI_METRICS_PORT", "UI_METRICS_HOST", "LOG_FORMAT", "LOG_DIR",
    }  # fmt: skip
    for file in ("application.yaml", "etl.yaml"):
        for name, default in re.findall(r"^ +([A-Z_]+): \$\{\1:-(.*)\}$", (ROOT / "compose" / file).read_text(), re.M):
            if name in EXAMPLE and name not in differ and not EXAMPLE[name][0]:
                assert default == EXAMPLE[name][1], f"{file}: {name}"
