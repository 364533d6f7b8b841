"""A QuerySet whose rows are not sessions is a `TypeError` that says what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db.models import (
    Avg,
    Count,
    F,
    Max,
)

from tests.sending.queries.sessions import (
    Sessions,
    raw,
)
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending.broadcasting import send

pytestmark = pytest.mark.django_db


REFUSED: list[tuple[str, Callable[[Sessions], Sessions], str]] = [
    ("grouped", lambda q: q.values("channel_name").annotate(n=Count("pk")), "groups sessions"),
    ("grouped-reverse", lambda q: q.values("user").annotate(n=Max("pk")).reverse(), "groups sessions"),
    ("grouped-list", lambda q: q.values_list("user__pk").annotate(Avg("pk")), "groups sessions"),
    ("grouped-sliced", lambda q: q.values("user").annotate(n=Count("pk")).order_by("n")[:1], "groups"),
    ("grouped-in-channel", lambda q: q.values("user").annotate(n=Count("pk")).in_channel("a"), "groups"),
    ("distinct-values", lambda q: q.values("channel_name").distinct(), "distinct values"),
    ("distinct-values-in-channel", lambda q: q.values("user").distinct().in_channel("a"), "distinct values"),
    ("distinct-values-sliced", lambda q: q.values_list("user").distinct()[:2], "distinct values"),
    ("dates", lambda q: q.dates("created_on", "day"), "distinct values"),
    ("datetimes", lambda q: q.datetimes("created_on", "hour"), "distinct values"),
    ("union-of-values", lambda q: q.values("channel_name").union(q.values("channel_name")), r"union\(\) are"),
    ("union-of-keys-of-users", lambda q: q.values("user").union(q.values("user")), "Leave values"),
    ("union-of-expressions", lambda q: q.values(n=F("user")).union(q.values(n=F("user"))), "are values"),
    ("values-of-union", lambda q: q.union(q.none(), q.all()).values("user"), "are values"),
    ("intersection-of-values", lambda q: q.values("user").intersection(q.values("user")), "intersection"),
    ("difference-of-values", lambda q: q.values("user").difference(q.values("pk")), "difference"),
    ("union-with-users", lambda q: q.only("pk").union(User.objects.only("pk")), "are values"),
    ("union-nested-values", lambda q: q.union(q.values("user").union(q.values("user"))), "are values"),
    ("annotation-called-pk", lambda q: q.annotate(pk=F("user_id")), "another column `pk`"),
]


NO_QUERIES: list[tuple[str, Callable[[Sessions], Any]]] = [
    ("raw", lambda q: raw()),
    ("in-bulk", lambda q: q.in_bulk()),
    ("iterator", lambda q: q.iterator()),
    ("list", lambda q: list(q)),
    ("aggregate", lambda q: q.aggregate(Count("pk"))),
    ("count", lambda q: q.count()),
    ("users", lambda q: User.objects.all()),
    ("users-of-none", lambda q: q.none().union(User.objects.all())),
    ("manager", lambda q: WebSocketSession.objects),
]


@pytest.mark.parametrize(("build", "why"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_what_does_not_give_sessions_is_an_error_that_says_so(
    build: Any, why: str, fake_connections: Any
) -> None:
    query = build(WebSocketSession.objects.all())

    with pytest.raises(TypeError, match=why):
        query.send_message("hello")
    with pytest.raises(TypeError, match=why):
        query.send_message("hello", on_commit=True)
    with pytest.raises(TypeError, match=why):
        async_to_sync(query.asend_message)("hello")

    assert fake_connections.sent == []


@pytest.mark.parametrize("build", [pytest.param(row[1], id=row[0]) for row in NO_QUERIES])
def test_what_is_not_a_query_of_sessions_is_an_error_with_the_next_step(
    build: Any, fake_connections: Any
) -> None:
    with pytest.raises(TypeError, match=r"filter\(pk__in="):
        send("hello", to=build(WebSocketSession.objects.all()))

    assert fake_connections.sent == []
