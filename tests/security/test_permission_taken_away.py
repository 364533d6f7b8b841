"""The receiver that the security page gives for permissions that are taken away, as it stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db.models.signals import m2m_changed

from tests.docs.pages import blocks_of
from tests.factories import UserFactory, WebSocketSessionFactory
from websocket_gateway.models import WebSocketSession
from websocket_gateway.testing.connections import FakeConnections

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver_of_the_page() -> Iterator[None]:
    (code,) = (
        block.text for block in blocks_of("security_model.md", "python") if "end_sockets" in block.text
    )
    names: dict[str, Any] = {}
    exec(code, names)
    yield
    for sender in (User.groups.through, User.user_permissions.through):
        assert m2m_changed.disconnect(names["end_sockets"], sender=sender)


WAYS: dict[str, Callable[[Any, Group, Permission], Any]] = {
    "remove a group": lambda user, group, permission: user.groups.remove(group),
    "remove a member": lambda user, group, permission: group.user_set.remove(user),
    "clear the groups": lambda user, group, permission: user.groups.clear(),
    "clear the members": lambda user, group, permission: group.user_set.clear(),
    "set other groups": lambda user, group, permission: user.groups.set([]),
    "remove a permission": lambda user, group, permission: user.user_permissions.remove(permission),
    "remove its user": lambda user, group, permission: permission.user_set.remove(user),
    "clear the permissions": lambda user, group, permission: user.user_permissions.clear(),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_sockets_of_that_user_end_and_no_others(
    receiver_of_the_page: None,
    fake_connections: FakeConnections,
    way: str,
    django_capture_on_commit_callbacks: Any,
) -> None:
    user, group, permission = (
        UserFactory.create(),
        Group.objects.create(name="g"),
        Permission.objects.all()[0],
    )
    user.groups.add(group)
    user.user_permissions.add(permission)
    WebSocketSessionFactory.create(user=user, connection_id="theirs=")
    WebSocketSessionFactory.create(user=UserFactory.create(), connection_id="another=")
    WebSocketSessionFactory.create(connection_id="visitor=")

    with django_capture_on_commit_callbacks(execute=True):
        WAYS[way](user, group, permission)

    ended = WebSocketSession.objects.filter(connected=False)
    assert list(ended.values_list("connection_id", flat=True)) == ["theirs="]
    assert fake_connections.closed == ["theirs="]
