"""Every QuerySet of sessions that can be written reaches each of its sessions once, or is a `TypeError`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import (
    Avg,
    BooleanField,
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    IntegerField,
    Max,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Length, Random, RowNumber, TruncDay, Upper
from django.utils import timezone

from tests.factories import (
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.models import ApiGateway, ChannelSubscription, WebSocketSession
from websocket_gateway.sending import paging
from websocket_gateway.sending.broadcasting import send
from websocket_gateway.sending.queries import is_fixed

pytestmark = pytest.mark.django_db

Sessions = Any
ALL = [0, 1, 2, 3, 4, 5, 6]
A, B, C = [0, 3, 6], [1, 4], [2, 5]
SUBSCRIBED = [1, 4, 6]
TABLE = "websocket_gateway_websocketsession"


class Newest(WebSocketSession):
    """Sessions, the newest first."""

    class Meta:
        proxy = True
        app_label = "websocket_gateway"
        ordering = ("-created_on",)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    monkeypatch.setattr(paging, "_IN_LIST", 2)


@pytest.fixture(autouse=True)
def rows() -> list[WebSocketSession]:
    first, second = ApiGatewayFactory.create(api_name="first"), ApiGatewayFactory.create(api_name="second")
    ann, bob = UserFactory.create(username="ann", staff=True), UserFactory.create(username="bob")
    now = timezone.now()
    made = [
        WebSocketSessionFactory.create(
            channel_name=channel,
            user=user,
            api_gateway=second if number % 2 else first,
            created_on=now - timedelta(minutes=20 - number),
        )
        for number, (channel, user) in enumerate(
            zip("abcabca", (ann, bob, None, ann, None, bob, None), strict=True)
        )
    ]
    WebSocketSessionFactory.create(channel_name="a", user=ann, api_gateway=first, ended=True)
    for number, name in ((1, "x"), (1, "y"), (4, "x"), (6, "x")):
        ChannelSubscriptionFactory.create(session=made[number], channel_name=name)
    return made


def evaluated(query: Sessions) -> Sessions:
    list(query)
    return query


def ann() -> Any:
    return User.objects.get(username="ann")


def raw() -> Any:
    return WebSocketSession.objects.raw(f"SELECT * FROM {TABLE}")


def numbered(**options: Any) -> Window:
    return Window(RowNumber(), partition_by="channel_name", order_by=F("pk").desc(), **options)


def same_channel() -> Any:
    return WebSocketSession.objects.filter(channel_name=OuterRef("channel_name"), pk__lt=OuterRef("pk"))


SENT: list[tuple[str, Callable[[Sessions], Sessions], list[int]]] = [
    ("all", lambda q: q.all(), ALL),
    ("reverse", lambda q: q.reverse(), ALL),
    ("reverse-ordered", lambda q: q.order_by("created_on").reverse(), ALL),
    ("reverse-twice", lambda q: q.reverse().reverse(), ALL),
    ("reverse-filtered", lambda q: q.reverse().filter(channel_name="a"), A),
    ("reverse-sliced", lambda q: q.order_by("pk").reverse()[1:4], [4, 5, 6]),
    ("reverse-distinct", lambda q: q.filter(subscriptions__pk__gt=0).distinct().reverse(), SUBSCRIBED),
    ("reverse-in-channel", lambda q: q.reverse().in_channel("x"), SUBSCRIBED),
    ("in-channel-reverse", lambda q: q.in_channel("x").reverse(), SUBSCRIBED),
    ("order-descending", lambda q: q.order_by("-pk"), ALL),
    ("order-random", lambda q: q.order_by("?"), ALL),
    ("order-related", lambda q: q.order_by("user__username", "-api_gateway__api_name"), ALL),
    ("order-related-to-many", lambda q: q.order_by("-subscriptions__channel_name"), ALL),
    ("order-related-meta", lambda q: q.order_by("api_gateway"), ALL),
    ("order-expression", lambda q: q.order_by(Length("channel_name").desc(), Upper("connection_id")), ALL),
    ("order-nulls-first", lambda q: q.order_by(F("user").asc(nulls_first=True)), ALL),
    ("order-nulls-last", lambda q: q.order_by(F("disconnected_on").desc(nulls_last=True)), ALL),
    ("order-cleared", lambda q: q.order_by("-pk").order_by(), ALL),
    ("order-meta", lambda q: Newest.objects.all(), ALL),
    ("order-meta-sliced", lambda q: Newest.objects.filter(connected=True)[1:3], [4, 5]),
    ("slice", lambda q: q.order_by("-created_on")[1:4], [4, 5, 6]),
    ("slice-offset", lambda q: q.order_by("pk")[3:], [3, 4, 5, 6]),
    ("slice-of-slice", lambda q: q.order_by("pk")[1:6][1:3], [2, 3]),
    ("slice-empty", lambda q: q.order_by("pk")[:0], []),
    ("slice-prefetch", lambda q: q.order_by("pk").prefetch_related("subscriptions")[:3], [0, 1, 2]),
    ("slice-extra-shadows-id", lambda q: q.order_by("pk").extra(select={"id": "0"})[:2], [0, 1]),
    ("distinct", lambda q: q.distinct(), ALL),
    ("distinct-join", lambda q: q.filter(subscriptions__channel_name__in="xy").distinct(), SUBSCRIBED),
    (
        "distinct-join-sliced",
        lambda q: q.filter(subscriptions__pk__gt=0).distinct().order_by("-pk")[:2],
        [4, 6],
    ),
    (
        "distinct-annotated-sliced",
        # The session that has two subscriptions is two of the three rows.
        lambda q: (
            q.filter(subscriptions__pk__gt=0)
            .annotate(name=F("subscriptions__channel_name"))
            .distinct()
            .order_by("pk", "name")[:3]
        ),
        [1, 4],
    ),
    ("annotate", lambda q: q.annotate(big=Upper("channel_name")).filter(big="A"), A),
    ("annotate-count", lambda q: q.annotate(many=Count("subscriptions")), ALL),
    ("annotate-having", lambda q: q.annotate(many=Count("subscriptions")).filter(many__gte=1), SUBSCRIBED),
    ("annotate-having-reverse", lambda q: q.annotate(n=Count("subscriptions")).filter(n=2).reverse(), [1]),
    (
        "annotate-count-sliced",
        lambda q: q.annotate(n=Count("subscriptions")).order_by("-n", "pk")[:2],
        [1, 4],
    ),
    ("annotate-count-values", lambda q: q.annotate(n=Count("subscriptions")).values("n"), ALL),
    ("annotate-to-many", lambda q: q.annotate(name=F("subscriptions__channel_name")), ALL),
    ("annotate-random", lambda q: q.annotate(dice=Random()).order_by("dice"), ALL),
    ("annotate-exists", lambda q: q.filter(Exists(same_channel())), [3, 4, 5, 6]),
    (
        "annotate-subquery",
        lambda q: q.annotate(before=Subquery(same_channel().values("pk")[:1])).filter(before=None),
        [0, 1, 2],
    ),
    (
        "annotate-case",
        lambda q: (
            q.annotate(first=Case(When(channel_name="a", then=1), default=0, output_field=IntegerField()))
            .filter(first=1)
            .order_by("-first")
        ),
        A,
    ),
    ("alias", lambda q: q.alias(many=Count("subscriptions")).filter(many=1), [4, 6]),
    ("alias-and-annotate", lambda q: q.annotate(a=Value(1)).alias(b=Value(2)).filter(b=2), ALL),
    ("window", lambda q: q.annotate(place=numbered()).order_by("place"), ALL),
    (
        "window-filtered",
        lambda q: q.filter(connected=True).annotate(place=numbered()).filter(place=1),
        [4, 5, 6],
    ),
    ("window-alias", lambda q: q.filter(connected=True).alias(place=numbered()).filter(place__gt=2), [0]),
    (
        "filtered-relation",
        lambda q: q.annotate(
            xs=FilteredRelation("subscriptions", condition=Q(subscriptions__channel_name="x"))
        ).filter(xs__isnull=False),
        SUBSCRIBED,
    ),
    ("values", lambda q: q.values(), ALL),
    ("values-one", lambda q: q.values("channel_name"), ALL),
    ("values-list-user", lambda q: q.values_list("user", flat=True).reverse(), ALL),
    ("values-list-named", lambda q: q.values_list("connection_id", "user__username", named=True), ALL),
    ("values-expression", lambda q: q.values(big=Upper("channel_name")), ALL),
    ("values-sliced", lambda q: q.order_by("pk").values("user")[2:4], [2, 3]),
    ("values-distinct-with-key", lambda q: q.values("pk", "channel_name").distinct(), ALL),
    ("values-grouped-with-key", lambda q: q.values("pk").annotate(n=Count("subscriptions")), ALL),
    ("union", lambda q: q.filter(channel_name="a").union(q.filter(channel_name="b")), [0, 1, 3, 4, 6]),
    ("union-all", lambda q: q.filter(channel_name="a").union(q.filter(channel_name="a"), all=True), A),
    ("union-ordered-sliced", lambda q: q.filter(pk__gt=0).union(q.none()).order_by("pk")[:2], [0, 1]),
    ("union-reverse", lambda q: q.filter(channel_name="a").union(q.reverse()).reverse(), ALL),
    (
        "union-nested",
        lambda q: q.filter(channel_name="a").union(q.filter(channel_name="b").union(q.filter(user=ann()))),
        [0, 1, 3, 4, 6],
    ),
    ("intersection", lambda q: q.filter(channel_name="a").intersection(q.filter(user=ann())), [0, 3]),
    (
        "intersection-of-annotated",
        lambda q: q.annotate(n=Value(1)).intersection(q.annotate(n=Value(2))),
        [],
    ),
    ("difference", lambda q: q.filter(channel_name="a").difference(q.filter(user=ann())), [6]),
    ("none", lambda q: q.none(), []),
    ("none-union", lambda q: q.none().union(q.filter(channel_name="a")), A),
    ("filter-empty-list", lambda q: q.filter(pk__in=[]), []),
    ("extra-where", lambda q: q.extra(where=[f"{TABLE}.channel_name = 'a'"]).reverse(), A),
    ("extra-select", lambda q: q.extra(select={"one": "1"}, order_by=["-one"]), ALL),
    ("extra-select-shadows", lambda q: q.extra(select={"connection_id": "'x'", "id": "0"}), ALL),
    ("extra-tables", lambda q: q.extra(tables=[User._meta.db_table]), ALL),
    ("raw-condition", lambda q: q.filter(pk__in=RawSQL(f"SELECT id FROM {TABLE}", ())), ALL),
    ("of-raw", lambda q: q.filter(pk__in=[row.pk for row in raw()]), ALL),
    ("of-in-bulk", lambda q: q.filter(pk__in=q.in_bulk()), ALL),
    ("defer", lambda q: q.defer("connection_id", "api_gateway"), ALL),
    ("only", lambda q: q.only("channel_name").order_by("pk")[:2], [0, 1]),
    ("select-related", lambda q: q.select_related("user", "api_gateway").reverse(), ALL),
    ("prefetch-related", lambda q: q.prefetch_related("subscriptions"), ALL),
    ("join", lambda q: q.filter(subscriptions__channel_name__in="xy"), SUBSCRIBED),
    (
        "join-twice",
        lambda q: q.filter(subscriptions__pk__gt=0).filter(subscriptions__pk__lt=10**9),
        [1, 4, 6],
    ),
    ("join-and-back", lambda q: q.filter(user__websocket_sessions__channel_name="a"), [0, 3]),
    ("join-or", lambda q: q.filter(Q(user__is_staff=True) | Q(subscriptions__pk__gt=0)), [0, 1, 3, 4, 6]),
    ("exclude", lambda q: q.exclude(channel_name="a"), [1, 2, 4, 5]),
    ("exclude-join", lambda q: q.exclude(subscriptions__channel_name="x"), [0, 2, 3, 5]),
    ("exclude-reverse", lambda q: q.reverse().exclude(user=None), [0, 1, 3, 5]),
    ("using", lambda q: q.using("default").reverse(), ALL),
    (
        "subquery",
        lambda q: q.filter(api_gateway__in=ApiGateway.objects.filter(api_name="first")),
        [0, 2, 4, 6],
    ),
    ("subquery-values", lambda q: q.filter(pk__in=ChannelSubscription.objects.values("session")), SUBSCRIBED),
    (
        "subquery-max",
        lambda q: q.filter(pk=Subquery(q.order_by("-pk").filter(user=None).values("pk")[:1])),
        [6],
    ),
    ("select-for-update", lambda q: q.select_for_update().reverse(), ALL),
    ("select-for-update-of-slice", lambda q: q.select_for_update().order_by("pk")[:3], [0, 1, 2]),
    ("or", lambda q: q.filter(channel_name="a") | q.filter(channel_name="b"), [0, 1, 3, 4, 6]),
    (
        "or-reverse",
        lambda q: q.reverse().filter(channel_name="a") | q.filter(channel_name="b"),
        [0, 1, 3, 4, 6],
    ),
    ("and", lambda q: q.filter(channel_name="a") & q.filter(user=ann()), [0, 3]),
    ("and-join", lambda q: q.filter(subscriptions__pk__gt=0) & q.filter(channel_name="b"), B),
    ("xor", lambda q: q.filter(channel_name="a") ^ q.filter(api_gateway__api_name="first"), [2, 3, 4]),
    ("in-channel", lambda q: q.in_channel("a"), A),
    ("in-channel-filtered", lambda q: q.in_channel("x").filter(channel_name="b"), B),
    ("evaluated", lambda q: evaluated(q.filter(channel_name="a")), A),
    ("evaluated-reverse", lambda q: evaluated(q.reverse()), ALL),
    ("of-a-user", lambda q: ann().websocket_sessions.all(), [0, 3]),
    ("of-a-user-reverse", lambda q: ann().websocket_sessions.reverse(), [0, 3]),
    ("of-a-gateway", lambda q: ApiGateway.objects.get(api_name="second").websocket_sessions.all(), [1, 3, 5]),
    (
        "of-a-user-prefetched",
        lambda q: (
            User.objects.prefetch_related(Prefetch("websocket_sessions", q.reverse()))
            .get(username="ann")
            .websocket_sessions.all()
        ),
        [0, 3],
    ),
    ("dated", lambda q: q.annotate(day=TruncDay("created_on")).order_by("day").reverse(), ALL),
    ("conditional", lambda q: q.filter(Case(When(pk=0, then=False), default=True)), ALL),
    ("annotate-boolean", lambda q: q.annotate(yes=Value(True, BooleanField())).filter(yes=True), ALL),
]

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


def reached(fake: Any, rows: list[WebSocketSession]) -> list[int]:
    """Numbers of the rows, each as often as it got the message."""
    numbers = {row.connection_id: number for number, row in enumerate(rows)}
    return sorted(numbers[frame.connection_id] for frame in fake.sent)


@pytest.mark.parametrize(("build", "expected"), [pytest.param(*row[1:], id=row[0]) for row in SENT])
def test_everyone_of_the_query_gets_it_once(
    build: Any, expected: list[int], rows: list[WebSocketSession], fake_connections: Any
) -> None:
    report = build(WebSocketSession.objects.all()).send_message("hello")

    assert reached(fake_connections, rows) == expected
    assert (report.delivered, report.failed) == (len(expected), 0)


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


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL alone has DISTINCT ON")
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda q: q.order_by("channel_name", "-pk"), [4, 5, 6], id="order"),
        pytest.param(lambda q: q.order_by("channel_name", "pk").reverse(), [4, 5, 6], id="reverse"),
        pytest.param(lambda q: q.order_by("channel_name", "pk")[:2], [0, 1], id="slice"),
        pytest.param(
            lambda q: q.order_by("channel_name", "pk").values("channel_name")[1:], [1, 2], id="values"
        ),
    ],
)
def test_one_session_for_each_channel(
    build: Any, expected: list[int], rows: list[WebSocketSession], fake_connections: Any
) -> None:
    query = WebSocketSession.objects.filter(connected=True).distinct("channel_name")

    build(query).send_message("hello")

    assert reached(fake_connections, rows) == expected


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no row locks")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slice_", [slice(None), slice(0, 99)])
def test_a_query_that_locks_needs_no_transaction_to_be_sent_to(
    slice_: slice, rows: list[WebSocketSession], fake_connections: Any
) -> None:
    query: QuerySet[WebSocketSession] = WebSocketSession.objects.select_for_update()

    query[slice_].send_message("hello")  # type: ignore[attr-defined]

    assert reached(fake_connections, rows) == ALL


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda q: q.reverse(), id="reverse"),
        pytest.param(lambda q: q.filter(connected=True).order_by("-pk")[:7], id="slice"),
        pytest.param(lambda q: q.filter(channel_name="a").union(q.exclude(channel_name="a")), id="union"),
    ],
)
def test_it_is_the_same_from_async_code_and_on_commit(
    build: Any,
    rows: list[WebSocketSession],
    fake_connections: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    async_to_sync(build(WebSocketSession.objects.all()).asend_message)("hello")
    assert reached(fake_connections, rows) == ALL
    fake_connections.sent.clear()

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        report = build(WebSocketSession.objects.all()).send_message("hello", on_commit=True)
        assert fake_connections.sent == []

    assert report.deferred
    assert reached(fake_connections, rows) == ALL
