"""Start: `python -m monitoring.alert_webhook`. With `resend`: let the dead letters wait for delivery again."""

from __future__ import annotations

import logging
import sys

import uvicorn
from loguru import logger

from monitoring.alert_webhook.app import create_app
from monitoring.alert_webhook.settings import WebhookSettings
from monitoring.alert_webhook.spool import Spool
from telemetry.logs import LogSettings, configure_logs


def main() -> None:
    settings = WebhookSettings()
    configure_logs("alert_webhook", LogSettings(), secrets=[settings.discord_webhook_url.get_secret_value()])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each address, and the address is the secret
    if sys.argv[1:] == ["resend"]:
        spool = Spool(settings.alert_webhook_spool, unreadable=lambda place: logger.error("no message: {}", place))
        logger.info("{} dead letters wait again", spool.revive())
        return
    uvicorn.run(
        create_app(settings),
        host=settings.alert_webhook_host,
        port=settings.alert_webhook_port,
        log_config=None,  # the project's own log lines
        access_log=False,
    )


if __name__ == "__main__":
    main()
