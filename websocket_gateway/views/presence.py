"""Channels with presence: the control frame `presence`, and who a connection is by the hooks of its view."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from django.db import router
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from websocket_gateway.channels import members
from websocket_gateway.channels.members import Profile, check_info, described_by, has_presence
from websocket_gateway.channels.positions import MAX_OFFSET
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ChannelMember, ChannelSubscription, WebSocketSession
from websocket_gateway.models.channels import MEMBER_MAX_LENGTH
from websocket_gateway.models.sessions import announce_move
from websocket_gateway.views.channels import check_channel_name, check_not_foreign
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError, control_response

_PAGE_MEMBERS = 100


@contextmanager
def describing(view: WebSocketHooks, request: HttpRequest) -> Iterator[None]:
    """Let the hooks of the view say who its connection is in the channels that it joins in this block."""

    def describe(session: WebSocketSession, channel_name: str) -> Profile:
        mine = view.websocket_session
        if mine is None or mine.pk != session.pk:
            return Profile()
        return _profile(view, request, channel_name)

    token = described_by.set(describe)
    try:
        yield
    finally:
        described_by.reset(token)


def look_after_presence(session: WebSocketSession, silent_since: datetime) -> None:
    """Look after the channels with presence of a connection that is alive; once a minute."""
    if session.presence_member:
        from websocket_gateway.sending import memberships  # with the code that calls AWS

        memberships.keep_alive(session, silent_since=silent_since)


def is_about_presence(control: Mapping[str, object]) -> bool:
    """Whether a control frame asks who is in a channel."""
    return control["type"] == "presence"


def answer_presence(
    view: WebSocketHooks, request: HttpRequest, control: Mapping[str, object]
) -> HttpResponseBase:
    """Answer with the number of members and a page of them, for a connection that is in the channel."""
    name = check_channel_name(view, control.get("channel"))
    check_not_foreign(request, name)
    if not has_presence(name):
        raise RefusalError(ErrorCode.PRESENCE_OFF, f"CHANNELS gives {name!r} no presence.")
    after = control.get("after", 0)
    if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= MAX_OFFSET:
        raise RefusalError(ErrorCode.INVALID_POSITION, "after is not an integer from 0 on.")
    session = view.websocket_session
    if not _is_in(session, name):
        raise RefusalError(ErrorCode.NOT_SUBSCRIBED, f"The connection is not in the channel {name!r}.")
    if not view._decide("can_see_presence", request, name):
        raise RefusalError(ErrorCode.PERMISSION_DENIED, f"The user must not see who is in {name!r}.")
    if not session.presence_member or not members.is_member(session.presence_member, name):
        # The process that was to make it a member died, or presence was switched on since it joined.
        announce_move([session], joined=[name], repeated=True)
    from websocket_gateway.sending import memberships  # with the code that calls AWS

    memberships.sweep([name])
    page = read_page(name, after)
    return control_response("presence", reply_id=view._reply_id, channel=name, **page)


def read_page(channel_name: str, after: int) -> dict[str, object]:
    """The number of members, and those that follow, as frames have them.

    `after` is 0, or what the answer before gave. A page ends at 100 members or `HISTORY_PAGE_BYTES`.
    """
    rows = members.present_members(channel_name).filter(pk__gt=after).order_by("pk")
    values = rows.values_list("pk", "member", "info", "generation")[: _PAGE_MEMBERS + 1]
    found = retry_when_busy(lambda: list(values), model=ChannelMember)
    page: list[dict[str, object]] = []
    size, last = 0, after
    for pk, member, info, generation in found[:_PAGE_MEMBERS]:
        entry = {"id": member, "info": info, "v": generation}
        size += len(json.dumps(entry, ensure_ascii=False).encode())
        if page and size > get_settings().history_page_bytes:
            break
        page.append(entry)
        last = pk
    more = len(page) < len(found)
    answer = {"count": members.present_members(channel_name).count(), "members": page, "more": more}
    return {**answer, "after": last} if more else answer


def _is_in(session: WebSocketSession, channel_name: str) -> bool:
    if session.channel_name == channel_name:
        return True
    subscriptions = ChannelSubscription.objects.using(router.db_for_write(ChannelSubscription))
    return subscriptions.filter(session_id=session.pk, channel_name=channel_name).exists()


def _profile(view: WebSocketHooks, request: HttpRequest, channel_name: str) -> Profile:
    info = view._call(view.presence_info, request, channel_name)
    if info is None:
        return Profile(info=None)
    if not isinstance(info, dict):
        raise TypeError(f"presence_info must return a dict or None, not {type(info).__name__}.")
    member = view._call(view.presence_member, request)
    if member is None:
        return Profile(info=check_info(info))
    if not isinstance(member, str) or not 0 < len(member) <= MEMBER_MAX_LENGTH:
        raise TypeError(
            f"presence_member must return None or a string of 1 to {MEMBER_MAX_LENGTH} characters, "
            f"not {member!r}."
        )
    return Profile(member, check_info(info))
