"""Sending from `async def`: the event loop goes on while a thread sends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, router, transaction
from django.db.models import QuerySet

from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending.broadcasting import broadcast, send
from websocket_gateway.sending.reports import DeliveryReport


async def asend(
    message: Any, *, to: QuerySet[WebSocketSession] | WebSocketSession, **options: Any
) -> DeliveryReport:
    """`send`, from `async def`. Callbacks are called in the thread that sends.

    Cancelling the task that awaits it does not stop what is being sent.
    """
    return await _in_thread(partial(send, message, to=to, **options))


async def abroadcast(message: Any, **options: Any) -> DeliveryReport:
    """`broadcast`, from `async def`, as `asend` is to `send`."""
    return await _in_thread(partial(broadcast, message, **options))


async def _in_thread(deed: Callable[[], DeliveryReport]) -> DeliveryReport:
    """Do it in a thread of its own, or on the open transaction's connection where there is one.

    The thread that Django does asynchronous database work in is one for all, and would be blocked for as
    long as sending takes. But an open transaction, such as a test's, is seen from that thread only.
    """
    if await sync_to_async(_in_transaction)():
        return await sync_to_async(deed)()
    return await sync_to_async(partial(_and_close, deed), thread_sensitive=False)()


def _in_transaction() -> bool:
    connection = transaction.get_connection(router.db_for_write(WebSocketSession))
    return bool(connection.in_atomic_block)


def _and_close(deed: Callable[[], DeliveryReport]) -> DeliveryReport:
    """Nobody else would close the database connections of this thread."""
    try:
        return deed()
    finally:
        connections.close_all()
