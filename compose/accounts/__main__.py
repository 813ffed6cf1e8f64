"""`python -m compose.accounts store|milvus`: the jobs of compose/base.yaml."""

from __future__ import annotations

import sys

from loguru import logger
from minio.error import MinioException
from pymilvus.exceptions import MilvusException

from compose.accounts.settings import MilvusAccounts, StoreAccounts
from compose.accounts.store import make_store_accounts
from compose.accounts.vectors import make_milvus_accounts
from environment import from_environment


def main(arguments: list[str]) -> None:
    """Make the accounts of one store; ends the program with a line where it refuses."""
    try:
        if arguments == ["store"]:
            make_store_accounts(from_environment(StoreAccounts))
        elif arguments == ["milvus"]:
            make_milvus_accounts(from_environment(MilvusAccounts))
        else:
            sys.exit("accounts: say store or milvus")
    except (
        MinioException,
        MilvusException,
        OSError,
        ValueError,
    ) as error:  # ValueError: a bucket that cannot be named so
        sys.exit(f"accounts: {arguments[0]} refuses: {error}")
    logger.info("the accounts of {} are as they should be", arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
