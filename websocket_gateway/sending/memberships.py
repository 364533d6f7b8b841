"""What follows from connections that join and leave channels: members, signals, messages to the others.

Models and `connections.ending` only say what has changed. This is the one place that acts on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import Error, router, transaction
from django.utils import timezone

from websocket_gateway.channels import members
from websocket_gateway.channels.members import Change, Profile, has_presence
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.frames import encode_metadata
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ChannelMember, WebSocketSession
from websocket_gateway.sending.audience import audience_of_channel
from websocket_gateway.sending.delivery import SendOptions
from websocket_gateway.sending.posting import Posting, log_failures
from websocket_gateway.sending.publishing import WhenCommitted
from websocket_gateway.signals import channel_joined, channel_left, send_safely
from websocket_gateway.tenants import with_current_tenant

logger = get_logger("websocket_gateway.channels")

COUNT_EVERY = timedelta(seconds=10)
CONNECTIONS_PER_MEMBER = 5
"""Events go to at most so many times `PRESENCE_EVENTS_UP_TO` connections."""
COUNTED_CONNECTIONS = 1_000
"""A channel with more connections is not sent the number of its members: its clients ask for it."""

Entry = tuple[WebSocketSession, str, Profile]


def follow(
    sender: object,
    sessions: Sequence[WebSocketSession],
    joined: Collection[str],
    left: Collection[str] | None,
    repeated: bool,
    **kwargs: object,
) -> None:
    """Receive `channels_changed`: act on it once the change is committed."""
    with_presence = get_settings().has_presence
    if not (
        with_presence
        or channel_joined.has_listeners(WebSocketSession)
        or channel_left.has_listeners(WebSocketSession)
    ):
        return
    entries: list[Entry] = []
    for session in sessions:
        for name in joined:
            if has_presence(name):
                entries.append((session, name, members.profile_of(session, name)))
            elif not repeated:
                entries.append((session, name, Profile()))
    if left is None:
        _when_committed(partial(_end, sessions))
    elif entries or left:
        pairs = [(session, name) for session in sessions for name in left]
        _when_committed(partial(_change, entries, pairs))


def keep_alive(session: WebSocketSession, *, silent_since: datetime) -> None:
    """A connection of a member gave a sign of life, which is written once a minute: look after its channels.

    One that was silent for too long may have been taken for closed; its member is present again.
    """
    names = [name for _, name in members.channels_of([session]) if has_presence(name)]
    if silent_since < timezone.now() - members.STALE_AFTER:
        _change([(session, name, members.profile_of(session, name)) for name in names], [])
    sweep(names)


def sweep(channel_names: Collection[str]) -> None:
    """Take out of the channels, each at most once a minute, the members whose connections are all silent."""
    for name in members.claim_sweeps(channel_names):
        _announce(name, [(None, change) for change in members.sweep(name)])


def _when_committed(work: Callable[[], object]) -> None:
    """Run `work` now, or after the surrounding transaction. Without Django's transactions, now as well."""
    using = router.db_for_write(ChannelMember)
    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(WhenCommitted(with_current_tenant(work)), using=using, robust=True)
    else:
        work()


def _end(sessions: Sequence[WebSocketSession]) -> None:
    """Everything that ended connections were in. A failure is logged: the sweep finds the members later."""
    try:
        if get_settings().has_presence:
            members.load_members(sessions)
        if not channel_left.has_listeners(WebSocketSession):
            sessions = [session for session in sessions if session.presence_member]
        if sessions:
            _change([], members.channels_of(sessions))
    except Error:
        logger.exception(
            "Ended connections could not be taken out of their channels; the sweep does it.",
            extra={"event": "members_not_left"},
        )


def _change(joined: Iterable[Entry], left: Iterable[tuple[WebSocketSession, str]]) -> None:
    changes: dict[str, list[tuple[WebSocketSession | None, Change]]] = defaultdict(list)
    swept: dict[str, None] = {}
    for session, name, profile in joined:
        if not has_presence(name):
            send_safely(
                channel_joined, sender=WebSocketSession, session=session, channel_name=name, member=""
            )
        elif profile.info is not None:
            member = members.identify(session, profile.member)
            swept[name] = None
            if (change := members.join(name, member, profile.info)) is not None:
                changes[name].append((session, change))
            # It may have ended before its member was known to what ended it.
            if not members.is_in(session, name) and (change := members.leave(name, member)) is not None:
                changes[name].append((session, change))
    for session, name in left:
        if not has_presence(name):
            send_safely(channel_left, sender=WebSocketSession, session=session, channel_name=name, member="")
        elif session.presence_member and (change := members.leave(name, session.presence_member)) is not None:
            changes[name].append((session, change))
    for name, some in changes.items():
        _announce(name, some)
    sweep(swept)


def _announce(channel_name: str, changes: Sequence[tuple[WebSocketSession | None, Change]]) -> None:
    """Tell receivers and the connections of the channel what has changed."""
    if not changes:
        return
    for session, change in changes:
        send_safely(
            channel_joined if change.joined else channel_left,
            sender=WebSocketSession,
            session=session,
            channel_name=channel_name,
            member=change.member,
        )
    try:
        _push(channel_name, changes)
    except (WebSocketGatewayError, ConfigurationError, Error) as exc:
        logger.warning(
            "The members of channel %r were not told of a change: %s",
            channel_name,
            exc,
            extra={"event": "members_not_told", "channel": channel_name},
        )


def _push(channel_name: str, changes: Sequence[tuple[WebSocketSession | None, Change]]) -> None:
    """Send the changes to a small channel, now and then the number to a larger one, nothing to a huge one."""
    rows = members.present_members(channel_name)
    most = get_settings().presence_events_up_to
    # No join counts ten thousand rows: the database stops where the answer is known.
    count = retry_when_busy(rows[: most + 1].count, model=ChannelMember)
    # Who joined by this change asks for the whole list; the connection itself is not open yet at `$connect`.
    new = [session.pk for session, change in changes if session is not None and change.joined]
    audience = audience_of_channel(channel_name, but=new)
    fields: dict[str, object] = {"type": "presence", "channel": channel_name, "count": count}
    events = most * CONNECTIONS_PER_MEMBER
    if count <= most and (connections := audience.count_up_to(events + 1)) <= events:
        fields |= written(change for _, change in changes)
    elif members.claim(channel_name, "counted_on", every=COUNT_EVERY):
        connections = audience.count_up_to(COUNTED_CONNECTIONS + 1)
        fields["count"] = retry_when_busy(rows.count, model=ChannelMember)
    else:
        return
    if 0 < connections <= COUNTED_CONNECTIONS:
        log_failures(Posting(SendOptions()).start(encode_metadata(fields), audience, on_commit=False))


def written(changes: Iterable[Change]) -> dict[str, object]:
    """Joins and leaves for a frame. `v` grows with each change of a member."""
    fields: dict[str, list[dict[str, object]]] = defaultdict(list)
    for change in changes:
        if change.joined:
            fields["join"].append({"id": change.member, "info": change.info, "v": change.generation})
        else:
            fields["leave"].append({"id": change.member, "v": change.generation})
    return dict(fields)
