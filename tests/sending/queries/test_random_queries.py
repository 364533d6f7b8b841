"""A random draw is drawn once, however it is written and however many pages there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import (
    Case,
    Exists,
    F,
    FilteredRelation,
    IntegerField,
    OuterRef,
    Q,
    Subquery,
    When,
)
from django.db.models.functions import Random

from tests.factories import (
    ApiGatewayFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from tests.sending.queries.sessions import (
    Sessions,
    reached,
    same_channel,
)
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending.queries import is_fixed

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda q: q.order_by("?")[:4], id="slice"),
        pytest.param(
            lambda q: q.filter(pk__in=list(q.order_by("?").values_list("pk", flat=True)[:4])), id="keys"
        ),
        pytest.param(
            lambda q: q.filter(pk__in=q.order_by("?").values("pk")[:4]),
            id="subquery",
            marks=pytest.mark.skipif(connection.vendor == "mysql", reason="no LIMIT in a subquery there"),
        ),
    ],
)
def test_a_random_draw_is_drawn_once(build: Any, rows: list[WebSocketSession], fake_connections: Any) -> None:
    build(WebSocketSession.objects.filter(connected=True)).send_message("hello")

    assert Counter(reached(fake_connections, rows)).most_common(1)[0][1] == 1
    assert len(fake_connections.sent) == 4


DRAWS: list[tuple[str, Callable[[Any], Sessions]]] = [
    ("slice", lambda draw: Q(user__in=draw)),
    ("in a subquery", lambda draw: Q(user__in=User.objects.filter(pk__in=draw))),
    ("in a subquery of values", lambda draw: Q(pk__in=WebSocketSession.objects.filter(user__in=draw))),
    ("two levels", lambda draw: Q(user__in=User.objects.filter(pk__in=User.objects.filter(pk__in=draw)))),
    ("exists", lambda draw: Exists(User.objects.filter(pk=OuterRef("user_id"), pk__in=draw))),
    ("not", lambda draw: ~Exists(User.objects.filter(pk=OuterRef("user_id")).exclude(pk__in=draw))),
    ("case", lambda draw: Case(When(user__in=draw, then=True), default=False)),
    ("or", lambda draw: Q(pk=0) | Q(user__in=User.objects.filter(Q(pk=0) | Q(pk__in=draw)))),
    ("list", lambda draw: Q(user__in=User.objects.filter(pk__in=[0, Subquery(draw)]))),
    (
        "annotation",
        lambda draw: Q(
            user__in=User.objects.annotate(
                lucky=Case(When(pk__in=draw, then=F("pk")), default=0, output_field=IntegerField())
            ).values("lucky")
        ),
    ),
    (
        "union",
        lambda draw: Q(
            user__in=User.objects.filter(pk=0)
            .values("pk")
            .union(User.objects.filter(pk__in=User.objects.filter(pk__in=draw)).values("pk"))
        ),
    ),
    (
        "relation",
        lambda draw: Q(
            user__in=User.objects.annotate(
                own=FilteredRelation(
                    "websocket_sessions", condition=Q(websocket_sessions__user__in=Subquery(draw))
                )
            ).filter(own__isnull=False)
        ),
    ),
]


@pytest.mark.skipif(connection.vendor == "mysql", reason="no LIMIT in a subquery there")
@pytest.mark.parametrize("build", [pytest.param(row[1], id=row[0]) for row in DRAWS])
def test_one_user_is_drawn_however_deep_the_draw_is(build: Any, fake_connections: Any) -> None:
    users = [UserFactory.create(username=f"drawn{number}") for number in range(12)]
    gateway = ApiGatewayFactory.create(api_name="draws")
    owners = {}
    for _ in range(2):
        for user in users:
            session = WebSocketSessionFactory.create(user=user, api_gateway=gateway)
            owners[session.connection_id] = user.pk
    draw = User.objects.filter(pk__in=[user.pk for user in users]).order_by("?").values("pk")[:1]
    query: Sessions = WebSocketSession.objects.filter(api_gateway=gateway)

    for _ in range(4):
        fake_connections.sent.clear()
        query.filter(build(draw)).send_message("You have won.")

        reached_users = Counter(owners[frame.connection_id] for frame in fake_connections.sent)
        assert list(reached_users.values()) == [2]


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda q: q.filter(Exists(User.objects.filter(pk=OuterRef("user")))), id="exists"),
        pytest.param(lambda q: q.filter(user__in=User.objects.filter(is_staff=True)), id="subquery"),
        pytest.param(lambda q: q.annotate(last=Subquery(same_channel().values("pk")[:1])), id="column"),
        pytest.param(lambda q: q.order_by("?"), id="order"),
    ],
)
def test_a_query_without_a_draw_is_still_read_page_by_page(build: Any) -> None:
    assert not is_fixed(build(WebSocketSession.objects.all()))


@pytest.mark.parametrize(
    "users",
    [
        pytest.param(lambda: User.objects.filter(Q(pk=Random()) | Q(is_staff=True)), id="random"),
        pytest.param(
            lambda: User.objects.order_by("is_staff", "?").distinct("is_staff"), id="one of each group"
        ),
    ],
)
def test_what_is_drawn_without_a_slice_is_drawn_once_too(users: Any) -> None:
    assert is_fixed(WebSocketSession.objects.filter(user__in=users()))


def test_a_draw_that_the_program_has_seen_is_not_drawn_again(
    rows: list[WebSocketSession], fake_connections: Any
) -> None:
    for _ in range(10):
        winners = WebSocketSession.objects.filter(connected=True).order_by("?")[:3]
        seen = sorted(rows.index(winner) for winner in winners)
        fake_connections.sent.clear()

        winners.send_message("You have won.")

        assert reached(fake_connections, rows) == seen
