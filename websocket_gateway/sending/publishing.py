"""Messages to a channel: saved with the caller's data, numbered after the commit, and sent.

The message is a row in the caller's own transaction, so it commits with the data that it is about, or not at
all. Whatever happens after the commit, the message is found again: by the next publisher, by a client that
recovers, or by the purge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from django.contrib.auth.models import AbstractBaseUser
from django.db import OperationalError, router, transaction

from websocket_gateway.channels.envelopes import encode_body, encode_for_channel
from websocket_gateway.channels.history import has_history
from websocket_gateway.channels.numbering import Numbered, number_and_find, number_messages
from websocket_gateway.channels.publishing import envelope, is_abandoned, read_body, save_message
from websocket_gateway.channels.trimming import trim_if_due
from websocket_gateway.concurrency import run_after_commits
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import BroadcastRun, ChannelMessage, WebSocketSession
from websocket_gateway.sending import runs
from websocket_gateway.sending.audience import audience_of_channel
from websocket_gateway.sending.delivery import SendOptions
from websocket_gateway.sending.posting import Posting, finish_quietly, log_failures
from websocket_gateway.sending.reports import DeliveryReport
from websocket_gateway.task_queue import require_background_backend
from websocket_gateway.tenants import with_current_tenant

logger = get_logger("websocket_gateway.sending")


def send_to_channel(
    message: object, channel_name: str, posting: Posting, *, on_commit: bool = False, enqueue: bool = False
) -> DeliveryReport:
    """Send a message to the sessions of a channel; publish it first if the channel has a history."""
    if has_history(channel_name):
        if posting.options.resume_after:
            raise TypeError(
                "A message to a channel with a history needs no resume_after: it is saved already."
            )
        publication, body = _Publication(channel_name, posting, enqueue), encode_body(message, channel_name)
        if on_commit and not transaction.get_connection(router.db_for_write(ChannelMessage)).in_atomic_block:
            # The caller's transaction is on another database: the row cannot commit with it.
            publish = partial(finish_quietly, with_current_tenant(partial(publication.publish, body)))
            if run_after_commits(publish, using=router.db_for_write(ChannelMessage)):
                return DeliveryReport(deferred=True)
        return publication.publish(body)
    data = encode_for_channel(message, channel_name)
    if enqueue:
        return enqueue_broadcast(data, posting, channel=channel_name)
    return posting.start(data, audience_of_channel(channel_name), on_commit=on_commit)


def send_abandoned(channel_name: str) -> int:
    """Number and send what dead publishers have left in a channel; returns the number of messages.

    Messages that are younger than 2 seconds are numbered, and left to their publishers to send.
    """
    numbered = number_messages(channel_name)
    sent = _Publication(channel_name, Posting(SendOptions()), enqueue=False).send_abandoned(numbered)
    trim_if_due(channel_name, numbered)
    return sent


@dataclass(frozen=True, slots=True)
class _Publication:
    """Publishing to one channel with a history."""

    channel_name: str
    posting: Posting
    enqueue: bool

    def publish(self, body: bytes) -> DeliveryReport:
        """Save the message; number and send it now, or when the surrounding transaction commits."""
        if self.enqueue:
            require_background_backend()
        row = save_message(body, self.channel_name)
        using = router.db_for_write(ChannelMessage)
        connection = transaction.get_connection(using)
        if connection.in_atomic_block:
            urgent = replace(self, posting=replace(self.posting, urgent=True))
            finish = with_current_tenant(partial(urgent.finish, row))
            transaction.on_commit(WhenCommitted(partial(finish_quietly, finish)), using=using, robust=True)
            return DeliveryReport(deferred=True)
        if not connection.get_autocommit():
            return DeliveryReport(deferred=True)  # the next publisher or reader after the commit continues
        return self.finish(row)

    def send_abandoned(self, numbered: list[Numbered], *, but: ChannelMessage | None = None) -> int:
        """Send the messages whose publishers are dead; returns their number."""
        abandoned = [
            message for message in numbered if is_abandoned(message) and (but is None or message.pk != but.pk)
        ]
        for message in abandoned:
            log_failures(self._send(read_body(message), message))
        return len(abandoned)

    def finish(self, row: ChannelMessage) -> DeliveryReport:
        """Number and send a message that is committed: a busy database cannot take it back."""
        try:
            numbered, place = number_and_find(self.channel_name, row.pk)
        except OperationalError:
            logger.exception(
                "Message %d of channel %r is saved; it is sent later.",
                row.pk,
                self.channel_name,
                extra={"event": "message_saved", "channel": self.channel_name},
            )
            return DeliveryReport(deferred=True)
        self.send_abandoned(numbered, but=row)
        # Without a place, it has been deleted already: its channel was forgotten.
        report = DeliveryReport() if place is None else self._send(bytes(row.body), place)
        trim_if_due(self.channel_name, numbered)
        return report

    def _send(self, body: bytes, place: Numbered) -> DeliveryReport:
        """Send a numbered message to the current sessions; connections that join later read it as history."""
        if self.enqueue:
            data = envelope(body, self.channel_name, place)
            report = enqueue_broadcast(data, self.posting, channel=self.channel_name)
        else:
            using = router.db_for_write(WebSocketSession)
            report = self.posting.send(
                lambda seconds: envelope(body, self.channel_name, place, seconds=seconds),
                audience_of_channel(self.channel_name).on(using),
                using,
            )
        return replace(report, epoch=place.epoch, offset=place.offset)


@dataclass(eq=False, slots=True)
class WhenCommitted:
    """What is left to do once a transaction commits: once, though a test may run it, too."""

    work: Callable[[], object]
    done: bool = False

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            self.work()


def finish_in_test() -> None:
    """Finish what waits for a commit, in a test that never commits (Django's `TestCase`)."""
    connection = transaction.get_connection(router.db_for_write(ChannelMessage))
    waiting = [entry for entry in connection.run_on_commit if isinstance(entry[1], WhenCommitted)]
    connection.run_on_commit = [entry for entry in connection.run_on_commit if entry not in waiting]
    for entry in waiting:
        entry[1]()


def enqueue_broadcast(
    data: bytes, posting: Posting, *, channel: str | None = None, user: AbstractBaseUser | None = None
) -> DeliveryReport:
    """Save a broadcast, whose bytes are sent as they are, and enqueue it.

    Where the surrounding transaction is on another database, all of this waits for its commit: else a
    rollback would leave the broadcast. The report has no number then.
    """
    require_background_backend()
    pace = posting.options.max_per_second

    def save() -> DeliveryReport:
        run = runs.save_run(data, channel=channel, user=user, max_per_second=pace)
        runs.enqueue_tasks(run.pk)
        return DeliveryReport(deferred=True, run=run.pk)

    using = router.db_for_write(BroadcastRun)
    if not transaction.get_connection(using).in_atomic_block and run_after_commits(
        partial(finish_quietly, with_current_tenant(save)), using=using
    ):
        return DeliveryReport(deferred=True)
    return save()
