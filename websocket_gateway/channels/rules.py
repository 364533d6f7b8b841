"""Which channels a user may join, by the `ChannelPermission` rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router
from django.db.models import Q, QuerySet

from websocket_gateway.auth_backends import has_permissions
from websocket_gateway.conf import patterns_of
from websocket_gateway.logins import is_active
from websocket_gateway.models import ChannelPermission

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


Rules = Mapping[str, ChannelPermission]


class _Together:
    """The rows of several channels, read when the first of them is needed: a heartbeat needs none."""

    def __init__(self, channel_names: Collection[str]) -> None:
        self.channel_names = frozenset(channel_names)

    @cached_property
    def rules(self) -> Rules:
        """The rows by name."""
        prefixes = Q(channel_name__endswith="*")
        rows = _rules().filter(Q(channel_name__in=list(self.channel_names)) | prefixes)
        return {row.channel_name: row for row in rows}


_together: ContextVar[_Together | None] = ContextVar("together", default=None)


@contextmanager
def rules_read_together(channel_names: Collection[str]) -> Iterator[None]:
    """In this block, `find_channel_permission` reads the rows of these channels in one query."""
    token = _together.set(_Together(channel_names))
    try:
        yield
    finally:
        _together.reset(token)


def find_channel_permission(channel_name: str) -> ChannelPermission | None:
    """The row of a channel: the exact name's, else that of the longest prefix; None if there is none."""
    patterns = patterns_of(channel_name)
    together = _together.get()
    if together is not None and channel_name in together.channel_names:
        rows = together.rules
    else:
        rows = {row.channel_name: row for row in _rules().filter(channel_name__in=patterns)}
    return next((rows[pattern] for pattern in patterns if pattern in rows), None)


def _rules() -> QuerySet[ChannelPermission]:
    # A replica might not have a new rule yet, and without a rule every user may be admitted.
    rules: QuerySet[ChannelPermission] = ChannelPermission.objects.using(
        router.db_for_write(ChannelPermission)
    )
    return rules


def may_join(
    user: AbstractBaseUser | AnonymousUser, channel_name: str, *, allow_unlisted: bool = True
) -> bool:
    """Whether `user` may join; `allow_unlisted` decides for a channel without a row. One query."""
    permission = find_channel_permission(channel_name)
    return allow_unlisted if permission is None else is_admitted(user, permission)


def is_admitted(user: AbstractBaseUser | AnonymousUser, permission: ChannelPermission) -> bool:
    """Whether a row admits `user`. An inactive user counts as not logged in."""
    rule = _AUDIENCES.get(permission.audience)
    if permission.audience == str(ChannelPermission.Access.ANYONE):
        return True
    if rule is None or not user.is_authenticated or not is_active(user):
        return False  # an audience that this version does not know admits no user
    return rule(user, permission)


def _has_permissions(user: object, permission: ChannelPermission) -> bool:
    # "users with the permissions below" means no user if none are given
    given = bool(permission.any_of or permission.all_of or permission.alternatives)
    sets = permission.alternatives or [[]]
    return given and any(
        has_permissions(user, any_of=permission.any_of, all_of=[*permission.all_of, *names])
        for names in sets
        if names or not permission.alternatives
    )


_AUDIENCES: Mapping[str, Callable[[object, ChannelPermission], bool]] = {
    str(ChannelPermission.Access.AUTHENTICATED): lambda user, permission: True,
    str(ChannelPermission.Access.STAFF): lambda user, permission: bool(getattr(user, "is_staff", False)),
    str(ChannelPermission.Access.SUPERUSER): lambda user, permission: bool(
        getattr(user, "is_superuser", False)
    ),
    str(ChannelPermission.Access.PERMISSIONS): _has_permissions,
}
