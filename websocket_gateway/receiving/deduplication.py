"""Handle a message of a client once, however often it comes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError, router, transaction

from websocket_gateway.concurrency import PATIENCE_SECONDS, is_busy
from websocket_gateway.forking import jitter
from websocket_gateway.models import HandledMessage

T = TypeVar("T")


def message_key(*, user_id: Any, client: str, message_id: str | int) -> str:
    """What tells a message from all others: the hash of whose it is, of which page, and its id there."""
    parts = [None if user_id is None else str(user_id), client, message_id]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def handle_once(key: str, handle: Callable[[], T], *, failed: Callable[[T], bool]) -> T | None:
    """What `handle` returns, or None if the message with that key was handled before.

    One INSERT, in one transaction with what `handle` writes: if it raises or returns what `failed`
    knows as a failure, both are undone, and the message may come again. One that comes again
    meanwhile waits in its INSERT for the end of the first. While the database refuses the INSERT
    because others are at work it is repeated; `handle` never is.
    """
    using = router.db_for_write(HandledMessage)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        begun = False
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
            return None
        except OperationalError as exc:
            if begun or not is_busy(exc) or time.monotonic() > deadline:
                raise
        time.sleep(jitter.uniform(0.01, 0.1))
