"""Every QuerySet of sessions that can be written reaches each of its sessions once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import User
from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    IntegerField,
    Prefetch,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Length, Random, TruncDay, Upper

from tests.sending.queries.sessions import (
    ALL,
    SUBSCRIBED,
    TABLE,
    A,
    B,
    Sessions,
    ann,
    evaluated,
    numbered,
    raw,
    reached,
    same_channel,
)
from websocket_gateway.models import ApiGateway, ChannelSubscription, WebSocketSession

pytestmark = pytest.mark.django_db


class Newest(WebSocketSession):
    """Sessions, the newest first."""

    class Meta:
        apps = Apps()  # not the project's registry: `makemigrations` would want a migration for it
        proxy = True
        app_label = "websocket_gateway"
        ordering = ("-created_on",)


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


@pytest.mark.parametrize(("build", "expected"), [pytest.param(*row[1:], id=row[0]) for row in SENT])
def test_everyone_of_the_query_gets_it_once(
    build: Any, expected: list[int], rows: list[WebSocketSession], fake_connections: Any
) -> None:
    report = build(WebSocketSession.objects.all()).send_message("hello")

    assert reached(fake_connections, rows) == expected
    assert (report.delivered, report.failed) == (len(expected), 0)
