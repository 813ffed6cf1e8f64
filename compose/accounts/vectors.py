"""Milvus' users and their roles."""

from __future__ import annotations

from loguru import logger
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from compose.accounts.settings import MilvusAccounts

_FACTORY_PASSWORD = "Milvus"  # noqa: S105 - what the server's root has until somebody changes it
_TIMEOUT = 30.0  # seconds

_Rights = tuple[tuple[str, tuple[str, ...]], ...]  # object type, privileges

READER: _Rights = (
    ("Global", ("DescribeCollection", "ShowCollections", "DescribeAlias", "ListAliases")),
    ("Collection", ("Search", "Query", "GetStatistics", "GetLoadState", "GetLoadingProgress", "IndexDetail")),
)
WRITER: _Rights = (
    *READER,
    ("Global", ("CreateCollection", "DropCollection", "CreateAlias", "DropAlias")),
    ("Collection", ("Insert", "Upsert", "Delete", "Load", "Release", "Flush")),
    ("Collection", ("CreateIndex", "DropIndex", "Compaction")),
)


def make_milvus_accounts(settings: MilvusAccounts) -> None:
    """Give root its own password, and make a user that searches and one that loads; repeating changes nothing.

    Raises MilvusException where the server refuses.
    """
    client = _as_root(settings)
    try:
        users = (
            ("fashion_reader", READER, settings.milvus_user, settings.milvus_password.get_secret_value()),
            ("fashion_writer", WRITER, settings.etl_milvus_user, settings.etl_milvus_password.get_secret_value()),
        )
        for role, rights, user, password in users:
            _make_user(client, settings, user, password)
            if role not in client.list_roles(timeout=_TIMEOUT):
                client.create_role(role, timeout=_TIMEOUT)
            for kind, privileges in rights:
                for privilege in privileges:
                    _grant(client, role, kind, privilege)
            client.grant_role(user, role, timeout=_TIMEOUT)
    finally:
        client.close()


def _as_root(settings: MilvusAccounts) -> MilvusClient:
    password = settings.milvus_root_password.get_secret_value()
    try:
        return _connect(settings, "root", password)
    except MilvusException:
        client = _connect(settings, "root", _FACTORY_PASSWORD)
    client.update_password("root", _FACTORY_PASSWORD, password, timeout=_TIMEOUT)
    client.close()
    logger.info("root has its own password now")
    return _connect(settings, "root", password)


def _make_user(client: MilvusClient, settings: MilvusAccounts, user: str, password: str) -> None:
    if user not in client.list_users(timeout=_TIMEOUT):
        client.create_user(user, password, timeout=_TIMEOUT)
        return
    try:
        _connect(settings, user, password).close()
    except MilvusException:
        # Its password is another one: that of the env file counts.
        client.drop_user(user, timeout=_TIMEOUT)
        client.create_user(user, password, timeout=_TIMEOUT)


def _grant(client: MilvusClient, role: str, kind: str, privilege: str) -> None:
    try:
        client.grant_privilege(role, kind, privilege, "*", timeout=_TIMEOUT)
    except MilvusException as error:
        # Older servers neither know nor ask for some of these rights.
        if "privilege" not in error.message:
            raise
        logger.info("this server has no privilege {}", privilege)


def _connect(settings: MilvusAccounts, user: str, password: str) -> MilvusClient:
    uri = f"http://{settings.milvus_host}:{settings.milvus_port}"
    return MilvusClient(uri, user=user, password=password, timeout=_TIMEOUT, dedicated=True)
