"""Who is in the channels with presence, for the live overview."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Count

from websocket_gateway.channels.members import present_members
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ChannelMember

CHANNELS = 10
NAMES = 5
_NAME_CHARACTERS = 60


class Present(TypedDict):
    """A channel, how many members are in it, and the names of some."""

    name: str
    count: int
    members: list[str]


def read_members() -> list[Present]:
    """The channels with the most members, each with the names of five.

    Without `PRESENCE` in the settings no query; else one, one for each of at most ten channels, and one for
    the names of users.
    """
    if not get_settings().has_presence:
        return []
    present = ChannelMember.objects.filter(present__in=(True,)).values_list("channel_name").order_by()
    counted = present.annotate(count=Count("pk")).order_by("-count", "channel_name")[:CHANNELS]
    found = [(name, count, _first(name)) for name, count in counted]
    users = _user_names(member for _, _, some in found for member, _ in some)
    return [
        {"name": name, "count": count, "members": [_label(*one, users) for one in some]}
        for name, count, some in found
    ]


def _first(channel_name: str) -> list[tuple[str, dict[str, object]]]:
    return list(present_members(channel_name).order_by("pk").values_list("member", "info")[:NAMES])


def _label(member: str, info: dict[str, object], users: dict[str, str]) -> str:
    """The name of the user, else what `presence_info` calls the member, else its id."""
    given = info.get("name") if isinstance(info, dict) else None
    return (users.get(member) or (given if isinstance(given, str) else "") or member)[:_NAME_CHARACTERS]


def _user_names(members: Iterable[str]) -> dict[str, str]:
    """The user names of members that are users; a member of a deleted user has none."""
    model = get_user_model()
    keys: dict[object, str] = {}
    for member in members:
        if member.startswith("u:"):
            try:
                keys[model._meta.pk.to_python(member[2:])] = member
            except ValidationError:
                continue  # what `presence_member` gave, or the hash of a long key
    if not keys:
        return {}
    rows = model._default_manager.filter(pk__in=list(keys)).values_list("pk", model.USERNAME_FIELD)
    return {keys[pk]: str(name) for pk, name in rows if pk in keys}
