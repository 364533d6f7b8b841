"""Handles a message of a client once, although the client sends it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, router, transaction

from websocket_gateway import metrics
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import HandledMessage

T = TypeVar("T")


def message_key(*, user_id: object, client: str, message_id: str | int) -> str:
    """Return the key of a message: a hash of its user, its page, and its id on that page."""
    parts = [None if user_id is None else str(user_id), client, message_id]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def handle_once(key: str, handle: Callable[[], T], *, failed: Callable[[T], bool]) -> T | None:
    """Return the result of `handle`, or None if the message with that key was handled before.

    One INSERT, in one transaction with the writes of `handle`. If `handle` raises, or `failed` is true
    for its result, both are undone, and the message can come again. A repeated message that comes
    meanwhile waits in its own INSERT until the first has finished. If the database is busy, the INSERT
    is repeated; `handle` never is.
    """
    using = router.db_for_write(HandledMessage)
    begun = False

    def attempt() -> T | None:
        nonlocal begun
        try:
            with transaction.atomic(using=using):
                HandledMessage(key=key).save(force_insert=True, using=using)
                begun = True
                result = handle()
                if failed(result):
                    transaction.set_rollback(True, using=using)
                return result
        except IntegrityError:
            if begun:
                raise
            metrics.count("message.duplicates")
            return None

    return retry_when_busy(attempt, model=HandledMessage, using=using, may_retry=lambda: not begun)
