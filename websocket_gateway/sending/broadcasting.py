"""Sending: from an audience to a `DeliveryReport`; also from `async def`, and once a transaction commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractBaseUser
from django.db import connections, router, transaction
from django.db.models import QuerySet

from websocket_gateway.aws.connections import Connections
from websocket_gateway.forking import PerProcess
from websocket_gateway.frames import encode_message
from websocket_gateway.inboxes import require_inbox
from websocket_gateway.models import WebSocketSession
from websocket_gateway.no_fork import ThreadPool
from websocket_gateway.sending.announcing import Subject, subject_of_broadcast
from websocket_gateway.sending.audience import audience_of, find_audience, whole_channel_of
from websocket_gateway.sending.delivery import OnProgress, SendOptions
from websocket_gateway.sending.posting import Posting
from websocket_gateway.sending.publishing import enqueue_broadcast, send_to_channel
from websocket_gateway.sending.records import record_of
from websocket_gateway.sending.reports import DeliveryReport, OnFailure
from websocket_gateway.tenants import for_another_thread
from websocket_gateway.web_requests import has_own_thread

if TYPE_CHECKING:
    from typing_extensions import Unpack

_MAX_THREADS = 16
_POOL_SIZE = 4
"""Of a pool of psycopg without a size."""


class SendArguments(TypedDict, total=False):
    """The arguments of `send` beside the message and `to`."""

    on_commit: bool
    options: SendOptions | None
    on_progress: OnProgress | None
    on_failure: OnFailure | None
    connections: Connections | None


class BroadcastArguments(SendArguments, total=False):
    """The arguments of `broadcast` beside the message."""

    channel: str | None
    user: AbstractBaseUser | None
    everyone: bool
    connection_ids: Iterable[str] | None
    enqueue: bool
    inbox: bool


def send(
    message: object,
    *,
    to: QuerySet[WebSocketSession] | WebSocketSession,
    on_commit: bool = False,
    options: SendOptions | None = None,
    on_progress: OnProgress | None = None,
    on_failure: OnFailure | None = None,
    connections: Connections | None = None,
) -> DeliveryReport:
    """Send one message to the connected sessions of a query, or to one session.

    bytes and str are sent as they are, everything else as JSON by Django's encoder. Recipients are
    looked up page by page while sending. The report lists the failed recipients. Raises only
    `InvalidMessageError` (a `ValueError`), `TypeError` for a `to` that is not one of these, before the first
    post a `ConfigurationError` such as `MissingCredentialsError` and `MissingRegionError`, or an error of the
    database, and after it a `DeliveryInterruptedError` with the report so far.

    With `on_commit=True` inside a transaction, on any database, the message is checked at once, but
    recipients are looked up and posted to only after the commit, and never after a rollback. The report
    returned is then empty and `deferred`, and later failures are logged. Without a surrounding transaction it
    is sent at once.

    `on_progress` gets the report so far about ten times a second, and once at the end, however it ends.
    `on_failure` gets each failure when it is known.
    """
    audience, channel = audience_of(to), whole_channel_of(to)
    subject = Subject(audience="query" if channel is None else "channel", channel_name=channel or "")
    record = None if isinstance(to, WebSocketSession) else record_of(subject)
    options = options or SendOptions()
    posting = Posting(options, on_progress, on_failure, connections, subject=subject, record=record)
    if channel is not None:
        return send_to_channel(message, channel, posting, on_commit=on_commit)
    return posting.start(encode_message(message), audience, on_commit=on_commit)


def broadcast(
    message: object,
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    everyone: bool = False,
    connection_ids: Iterable[str] | None = None,
    on_commit: bool = False,
    enqueue: bool = False,
    inbox: bool = False,
    options: SendOptions | None = None,
    on_progress: OnProgress | None = None,
    on_failure: OnFailure | None = None,
    connections: Connections | None = None,
) -> DeliveryReport:
    """Send one message to a channel (primary and subscribed), a user, everyone, or some connections.

    Exactly one of the four must be given, else `TypeError`. Raises `ValidationError` for an invalid channel
    name, and `ValueError` for a user who is not in the database, such as `AnonymousUser`. See also `send`.

    With `inbox=True` the message is saved in the inbox of the user, in the caller's transaction, until it is
    acknowledged. Raises `TypeError` without one user, `ConfigurationError` if `CHANNELS` has no inboxes.
    With `enqueue=True` the project's task queue sends once the surrounding transaction commits, by the option
    `max_per_second` alone. The report is `deferred`, and has the number of the broadcast as `run`. Raises
    `ConfigurationError` if no such queue is configured.
    """
    audience = find_audience(
        channel=channel, user=user, everyone=everyone, connection_ids=connection_ids, inbox=inbox
    )
    subject = subject_of_broadcast(channel=channel, user=user, everyone=everyone)
    options, record = options or SendOptions(), record_of(subject)
    posting = Posting(options, on_progress, on_failure, connections, subject=subject, record=record)
    if enqueue and connection_ids is not None:
        raise TypeError("A broadcast to connection_ids cannot be enqueued.")
    if (channel := require_inbox(user) if inbox else channel) is not None:
        return send_to_channel(message, channel, posting, on_commit=on_commit, enqueue=enqueue)
    data = encode_message(message)
    if enqueue:
        return enqueue_broadcast(data, posting, user=user)
    return posting.start(data, audience, on_commit=on_commit)


async def asend(
    message: object,
    *,
    to: QuerySet[WebSocketSession] | WebSocketSession,
    **arguments: Unpack[SendArguments],
) -> DeliveryReport:
    """`send`, from `async def`. Callbacks are called in the thread that sends.

    Cancelling the task that awaits it does not stop the sending.
    """
    return await _in_thread(partial(send, message, to=to, **arguments))


async def abroadcast(message: object, **arguments: Unpack[BroadcastArguments]) -> DeliveryReport:
    """`broadcast`, from `async def`, as `asend` is to `send`."""
    return await _in_thread(partial(broadcast, message, **arguments))


async def _in_thread(sending: Callable[[], DeliveryReport]) -> DeliveryReport:
    """Send in a thread of this package, or in the one that does the caller's database work.

    Under ASGI each request has a thread for its database work: it sends there, without a second connection
    to the database. Elsewhere one thread does the work of all tasks, and sending would block it. An
    open transaction, such as a test's, is visible in that thread only.
    """
    if has_own_thread():
        return await sync_to_async(sending)()
    in_other_thread = await sync_to_async(_prepare)(sending)
    if in_other_thread is None:
        return await sync_to_async(sending)()
    return await sync_to_async(in_other_thread, thread_sensitive=False, executor=_threads())()


def _make_threads() -> ThreadPool:
    """The threads that send for `async def`, without the event loop's own, which its DNS look-ups need.

    Each takes a connection to the database. One of a pool's is left to the thread that does the other work.
    """
    options = connections[router.db_for_write(WebSocketSession)].settings_dict.get("OPTIONS", {})
    pool = options.get("pool")
    threads = _MAX_THREADS
    if pool:
        sizes = pool if isinstance(pool, Mapping) else {}
        threads = (sizes.get("max_size") or sizes.get("min_size") or _POOL_SIZE) - 1
    return ThreadPool(max(1, min(threads, _MAX_THREADS)), "websocket-gateway-send")


_threads = PerProcess(_make_threads)


def _prepare(sending: Callable[[], DeliveryReport]) -> Callable[[], DeliveryReport] | None:
    """`sending` for another thread, from the thread that knows the tenant; None inside a transaction."""
    connection = transaction.get_connection(router.db_for_write(WebSocketSession))
    return None if connection.in_atomic_block else for_another_thread(sending)
