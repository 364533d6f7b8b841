"""Who is in a channel with presence: joins and leaves that are told once, whatever runs at the same time.

Counting connections after one's own write tells some joins and leaves twice and others never. Here each
change of a row carries the next generation, and is made only if the generation is still the one that was
read. Otherwise the row is read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import router
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.models import Channel, ChannelMember, ChannelSubscription, WebSocketSession
from websocket_gateway.models.channels import MEMBER_MAX_LENGTH

MAX_INFO_BYTES = 1024
STALE_AFTER = timedelta(seconds=540)
"""A connection that was silent for so long is counted as closed: API Gateway closes it after 10 minutes."""
SWEEP_EVERY = timedelta(seconds=60)
_SWEEP_ROWS = 200
"""Members that one sweep takes out at most, so that the request in which it runs stays short."""


class Profile(NamedTuple):
    """Who a connection is in a channel."""

    member: str = ""
    """Empty for the user, or for the connection itself."""
    info: dict[str, object] | None = {}  # noqa: RUF012 - never changed
    """What others see; None for a connection that is not shown."""


class Change(NamedTuple):
    """A member came or went."""

    channel_name: str
    member: str
    generation: int
    joined: bool
    info: dict[str, object]


described_by: ContextVar[Callable[[WebSocketSession, str], Profile] | None] = ContextVar(
    "described_by", default=None
)
"""What knows the profiles of the connection whose event is handled: the hooks of its view."""


def has_presence(channel_name: str) -> bool:
    """Whether `CHANNELS` gives the channel presence."""
    return get_settings().channel_options(channel_name).presence


def profile_of(session: WebSocketSession, channel_name: str) -> Profile:
    """The profile of a connection, by the hooks of the view that handles its event, else by its user."""
    describe = described_by.get()
    return describe(session, channel_name) if describe is not None else Profile()


def member_of_user(user_id: object) -> str:
    """The member that a user is; a long primary key is hashed."""
    member = f"u:{user_id}"
    if len(member) <= MEMBER_MAX_LENGTH:
        return member
    return "u:" + hashlib.sha256(member.encode()).hexdigest()[: MEMBER_MAX_LENGTH - 2]


def identify(session: WebSocketSession, member: str) -> str:
    """Save which member a connection is, the first time; returns the member, which then stays."""
    if not session.presence_member:
        default = f"s:{session.pk}" if session.user_id is None else member_of_user(session.user_id)
        session.presence_member = member or default
        rows = WebSocketSession.objects.using(router.db_for_write(WebSocketSession)).filter(pk=session.pk)
        retry_when_busy(lambda: rows.update(presence_member=session.presence_member), model=WebSocketSession)
    return session.presence_member


def check_info(info: dict[str, object]) -> dict[str, object]:
    """Return `info` if it is JSON of at most 1,024 bytes; raises `ValueError` or `TypeError`."""
    size = len(json.dumps(info, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_INFO_BYTES:
        raise ValueError(
            f"presence_info returned {size:,} bytes of JSON; at most {MAX_INFO_BYTES:,} are kept."
        )
    return info


def join(channel_name: str, member: str, info: dict[str, object]) -> Change | None:
    """Make a member present, once the row of its connection is committed; None if it was already.

    `info` counts where this call made it present.
    """
    while True:
        found = _read(channel_name, member)
        if found is None:
            row = ChannelMember(channel_name=channel_name, member=member, info=info)
            if insert_unless_exists(row):
                return Change(channel_name, member, row.generation, joined=True, info=info)
            continue
        generation, present, _ = found
        values = {} if present else {"present": True, "info": info, "since": timezone.now(), "left_on": None}
        if _change(channel_name, member, generation, values):
            return None if present else Change(channel_name, member, generation + 1, joined=True, info=info)


def leave(channel_name: str, member: str, *, seen_since: datetime | None = None) -> Change | None:
    """Make a member absent unless another of its connections is open in the channel.

    Call it once the end of the connection is committed. None if it is still present, or was absent already.
    With `seen_since`, connections that were silent since then count as closed.
    """
    while True:
        found = _read(channel_name, member)
        if found is None or not found[1]:
            return None
        if _open_connections(channel_name, member, seen_since).exists():
            return None
        generation, _, info = found
        if _change(channel_name, member, generation, {"present": False, "left_on": timezone.now()}):
            return Change(channel_name, member, generation + 1, joined=False, info=info)


def sweep(channel_name: str) -> list[Change]:
    """Make members absent whose connections are all closed or silent, up to 200 of them."""
    seen_since = timezone.now() - STALE_AFTER
    stale = stale_members(channel_name, seen_since).values_list("member", flat=True)
    names = retry_when_busy(lambda: list(stale[:_SWEEP_ROWS]), model=ChannelMember)
    found = (leave(channel_name, name, seen_since=seen_since) for name in names)
    return [change for change in found if change is not None]


def stale_members(channel_name: str, seen_since: datetime) -> QuerySet[ChannelMember]:
    """The members of a channel without an open connection that gave a sign of life since then."""
    connections = _open_connections(channel_name, OuterRef("member"), seen_since)
    return present_members(channel_name).filter(~Exists(connections)).order_by("pk")


def claim_sweeps(channel_names: Collection[str]) -> list[str]:
    """The channels that this caller has to sweep now; each is given to one caller in a minute."""
    return [name for name in channel_names if claim(name, "swept_on", every=SWEEP_EVERY)]


def claim(channel_name: str, column: str, *, every: timedelta) -> bool:
    """Set a time of the channel to now if it is longer ago than `every`; True for the one caller that did."""
    now = timezone.now()
    channel = Channel.objects.using(router.db_for_write(Channel)).filter(name=channel_name)
    times = retry_when_busy(lambda: list(channel.values_list(column, flat=True)), model=Channel)
    if not times:
        return insert_unless_exists(Channel(name=channel_name, **{column: now}))
    if times[0] is not None and times[0] > now - every:
        return False
    due = channel.filter(**{column: times[0]}) if times[0] else channel.filter(**{f"{column}__isnull": True})
    return bool(retry_when_busy(lambda: due.update(**{column: now}), model=Channel))


def present_members(channel_name: str) -> QuerySet[ChannelMember]:
    """The members of a channel, read from the database that is written to."""
    members = ChannelMember.objects.using(router.db_for_write(ChannelMember))
    # Not `present=True`: for a bare column SQLite takes no index, or only its first part.
    found: QuerySet[ChannelMember] = members.filter(channel_name=channel_name, present__in=(True,))
    return found


def recently_left(channel_names: Collection[str], *, since: datetime) -> QuerySet[ChannelMember]:
    """The members who left one of the channels after a time and have not come back."""
    members = ChannelMember.objects.using(router.db_for_write(ChannelMember))
    found: QuerySet[ChannelMember] = members.filter(
        channel_name__in=list(channel_names), present__in=(False,), left_on__gt=since
    )
    return found


def is_member(member: str, channel_name: str) -> bool:
    """Whether a member is in a channel."""
    return retry_when_busy(present_members(channel_name).filter(member=member).exists, model=ChannelMember)


def channels_of(sessions: Collection[WebSocketSession]) -> list[tuple[WebSocketSession, str]]:
    """The channels of connections, primary ones and subscriptions, also of connections that have ended."""
    subscriptions = ChannelSubscription.objects.using(router.db_for_write(ChannelSubscription))
    rows = subscriptions.filter(session__in=[session.pk for session in sessions])
    by_key = {session.pk: session for session in sessions}
    found = retry_when_busy(
        lambda: list(rows.values_list("session_id", "channel_name")), model=ChannelSubscription
    )
    primary = [(session, session.channel_name) for session in sessions if session.channel_name]
    return primary + [(by_key[pk], name) for pk, name in found]


def is_in(session: WebSocketSession, channel_name: str) -> bool:
    """Whether a connection is still open and in the channel."""
    mine = _open_connections(channel_name, session.presence_member, None).filter(pk=session.pk)
    return retry_when_busy(mine.exists, model=WebSocketSession)


def load_members(sessions: Collection[WebSocketSession]) -> None:
    """Read which members connections are that had joined no channel with presence when they were loaded.

    For ended connections: they may have joined one meanwhile, in another process.
    """
    unknown = {session.pk: session for session in sessions if not session.presence_member}
    if unknown:
        rows = WebSocketSession.objects.using(router.db_for_write(WebSocketSession)).filter(pk__in=unknown)
        named = rows.exclude(presence_member="").values_list("pk", "presence_member")
        for pk, member in retry_when_busy(lambda: list(named), model=WebSocketSession):
            unknown[pk].presence_member = member


def _read(channel_name: str, member: str) -> tuple[int, bool, dict[str, object]] | None:
    row = _row(channel_name, member).values_list("generation", "present", "info")
    found: tuple[int, bool, dict[str, object]] | None = retry_when_busy(row.first, model=ChannelMember)
    return found


def _change(channel_name: str, member: str, generation: int, values: dict[str, object]) -> bool:
    """Change a member's row unless it has changed since it was read."""
    row = _row(channel_name, member).filter(generation=generation)
    return bool(retry_when_busy(lambda: row.update(generation=generation + 1, **values), model=ChannelMember))


def _row(channel_name: str, member: str) -> QuerySet[ChannelMember]:
    rows = ChannelMember.objects.using(router.db_for_write(ChannelMember))
    found: QuerySet[ChannelMember] = rows.filter(channel_name=channel_name, member=member)
    return found


def _open_connections(
    channel_name: str, member: str | OuterRef, seen_since: datetime | None
) -> QuerySet[WebSocketSession]:
    subscribed = ChannelSubscription.objects.filter(session_id=OuterRef("pk"), channel_name=channel_name)
    sessions = WebSocketSession.objects.using(router.db_for_write(WebSocketSession)).filter(
        Q(channel_name=channel_name) | Exists(subscribed), presence_member=member, connected__in=(True,)
    )
    return sessions if seen_since is None else sessions.filter(last_seen_on__gte=seen_since)
