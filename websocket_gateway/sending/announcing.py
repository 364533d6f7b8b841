"""The signals about messages: what was sent, to which audience, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending.reports import DeliveryReport
from websocket_gateway.signals import broadcast_finished, message_sent, send_safely

FINISHED = "finished"
CANCELLED = "cancelled"
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The audience of a message of the project, and whether the message is a broadcast."""

    audience: str
    """`channel`, `user`, `everyone`, `connections` or `query`: the values of `BroadcastRun.AudienceType`."""
    channel_name: str = ""
    user_id: Any = None
    is_broadcast: bool = False


def subject_of_broadcast(*, channel: str | None, user: AbstractBaseUser | None, everyone: bool) -> Subject:
    """The subject of a `broadcast` with these arguments."""
    if channel is not None:
        return Subject(audience="channel", channel_name=channel, is_broadcast=True)
    if user is not None:
        return Subject(audience="user", user_id=user.pk, is_broadcast=True)
    return Subject(audience="everyone" if everyone else "connections", is_broadcast=True)


def subject_of(run: BroadcastRun) -> Subject:
    """The subject of a broadcast of the task queue."""
    return Subject(
        audience=run.audience, channel_name=run.channel_name, user_id=run.user_id, is_broadcast=True
    )


def announce_sent(subject: Subject | None, report: DeliveryReport, *, state: str) -> None:
    """Tell the receivers that this process sent a message; None is a message of this package itself."""
    if subject is None:
        return
    if message_sent.has_listeners(DeliveryReport):
        send_safely(
            message_sent,
            sender=DeliveryReport,
            report=report,
            audience=subject.audience,
            channel_name=subject.channel_name,
            user_id=subject.user_id,
            state=state,
        )
    if subject.is_broadcast:
        announce_finished(subject, report, state=state)


def announce_finished(
    subject: Subject, report: DeliveryReport, *, state: str, run: BroadcastRun | None = None
) -> None:
    """Tell the receivers that a broadcast has ended."""
    if has_receivers():
        send_safely(
            broadcast_finished,
            sender=DeliveryReport,
            report=report,
            audience=subject.audience,
            channel_name=subject.channel_name,
            user_id=subject.user_id,
            state=state,
            run=run,
        )


def has_receivers() -> bool:
    """Whether the end of a broadcast has receivers."""
    return broadcast_finished.has_listeners(DeliveryReport)
