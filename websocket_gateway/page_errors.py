"""What is an error for developers, and in production a page without an address to connect to.

The log says why, once for each process.
"""

from __future__ import annotations

import sys
from functools import lru_cache

from django.conf import settings
from django.db import Error, connections

from websocket_gateway.database_engines import aborts_transactions
from websocket_gateway.log_records import get_logger

logger = get_logger("websocket_gateway.client_config")


def must_raise(exc: Exception) -> bool:
    """Whether an error of a page is raised: where a developer sees it, or where the page would lose data."""
    return is_for_developers() or (isinstance(exc, Error) and _has_broken_transaction())


def is_for_developers() -> bool:
    """Whether an error is shown to those who can correct it: under `DEBUG` and in tests.

    Every test runner calls Django's `setup_test_environment()`, which makes the outbox.
    """
    return bool(settings.DEBUG) or hasattr(sys.modules.get("django.core.mail"), "outbox")


@lru_cache(maxsize=64)
def warn_once(message: str) -> None:
    """Log a warning, once in each process: a page may be shown a thousand times a minute."""
    logger.warning("%s", message, extra={"event": "page_without_address"})


def _has_broken_transaction() -> bool:
    """Whether a page that goes on would lose silently what its view has written, as on PostgreSQL."""
    opened = connections.all(initialized_only=True)
    return any(one.in_atomic_block and aborts_transactions(one) for one in opened)
