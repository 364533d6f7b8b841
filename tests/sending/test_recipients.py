"""Whom a query, a channel, a user and "everyone" mean, and what asking for them costs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from tests.factories import (
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import paging
from websocket_gateway.sending.audience import (
    audience_of,
    audience_of_channel,
    audience_of_connections,
    audience_of_everyone,
    audience_of_user,
)
from websocket_gateway.sending.channel_streams import ChannelStream
from websocket_gateway.sending.paging import Audience

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 3)
    monkeypatch.setattr(paging, "IN_LIST", 2)


def keys(audience: Audience) -> list[int]:
    return [row.pk for page in audience.pages() for row in page]


def sessions(count: int, **fields: Any) -> list[WebSocketSession]:
    fields.setdefault("api_gateway", ApiGatewayFactory.create())
    return WebSocketSessionFactory.create_batch(count, **fields)


def pks(rows: list[WebSocketSession]) -> list[int]:
    return [row.pk for row in rows]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_pages_give_everyone_once_in_primary_key_order(count: int) -> None:
    rows = sessions(count)

    pages = list(audience_of(WebSocketSession.objects.order_by("-pk")).pages())

    assert [row.pk for page in pages for row in page] == pks(rows)
    assert all(len(page) <= 3 for page in pages)


def test_ended_sessions_are_nobody() -> None:
    sessions(1, ended=True)
    sessions(1, ended=True, channel_name="")

    assert keys(audience_of(WebSocketSession.objects.all())) == []
    assert keys(audience_of_channel("lobby")) == []
    assert keys(audience_of_everyone()) == []


def test_a_channel_is_its_primary_and_its_subscribed_sessions_each_once() -> None:
    gateway = ApiGatewayFactory.create()
    rows = [
        WebSocketSessionFactory.create(api_gateway=gateway, channel_name=name)
        for name in ("news", "sport", "news", "news", "sport", "news", "Sport", "news", "sport")
    ]
    for row in (rows[0], rows[1], rows[6], rows[7]):
        ChannelSubscriptionFactory.create(session=row, channel_name="sport")
    ChannelSubscriptionFactory.create(
        session=WebSocketSessionFactory.create(api_gateway=gateway, ended=True, channel_name="x"),
        channel_name="sport",
    )

    # The second one is in it twice, and the seventh only by subscription: names are case-sensitive.
    assert keys(audience_of_channel("sport")) == pks([rows[index] for index in (0, 1, 4, 6, 7, 8)])


def test_an_empty_channel_name_joins_nothing() -> None:
    sessions(2, channel_name="")

    assert keys(audience_of_channel("lobby")) == []


def test_a_user_and_everyone() -> None:
    user = UserFactory.create()
    mine = sessions(2, user=user)
    others = sessions(4)
    mine += sessions(2, user=user)

    assert keys(audience_of_user(user)) == pks(mine)
    assert keys(audience_of_everyone()) == sorted(pks(mine + others))


@pytest.mark.parametrize("nobody", [AnonymousUser(), User(username="not saved")])
def test_a_message_for_nobody_is_never_one_for_all_anonymous_visitors(nobody: Any) -> None:
    sessions(2, user=None)

    with pytest.raises(ValueError, match="not in the database"):
        audience_of_user(nobody)


def test_one_connection_id_is_no_list_of_letters() -> None:
    with pytest.raises(TypeError, match=r"write \['abc='\]"):
        audience_of_connections("abc=")


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda all_: all_.order_by("-pk")[:2], [4, 5], id="slice-of-the-newest"),
        pytest.param(lambda all_: all_.order_by("pk")[1:4], [1, 2, 3], id="slice-in-the-middle"),
        pytest.param(lambda all_: all_.order_by("-pk")[:0], [], id="empty-slice"),
        pytest.param(lambda all_: all_.order_by("connection_id"), [0, 1, 2, 3, 4, 5], id="other-order"),
        pytest.param(lambda all_: all_.filter(channel_name="b"), [1, 4], id="filtered"),
        pytest.param(lambda all_: all_.in_channel("a"), [0, 1, 3], id="in-channel"),
        pytest.param(lambda all_: all_.none(), [], id="none"),
        pytest.param(lambda all_: all_.distinct(), [0, 1, 2, 3, 4, 5], id="distinct"),
        pytest.param(lambda all_: all_.values("connection_id"), [0, 1, 2, 3, 4, 5], id="values"),
        pytest.param(lambda all_: all_.values_list("user", flat=True)[:2], [0, 1], id="values-list-slice"),
        pytest.param(lambda all_: all_.only("pk").select_related("user"), [0, 1, 2, 3, 4, 5], id="deferred"),
        pytest.param(lambda all_: all_.filter(pk__lt=0) | all_.filter(channel_name="a"), [0, 3], id="or"),
        pytest.param(
            lambda all_: (
                all_.order_by().filter(channel_name="a").union(all_.order_by().filter(channel_name="c"))
            ),
            [0, 2, 3, 5],
            id="union",
        ),
        pytest.param(
            # Each of its two subscriptions repeats the session in the join.
            lambda all_: all_.filter(subscriptions__channel_name__in=["a", "z"]),
            [1],
            id="join-that-repeats",
        ),
        pytest.param(
            lambda all_: all_.annotate(many=Count("subscriptions")).filter(many=2), [1], id="aggregate"
        ),
        pytest.param(
            lambda all_: all_.annotate(
                place=Window(RowNumber(), partition_by="channel_name", order_by=F("pk").desc())
            ).filter(place=1),
            [3, 4, 5],
            id="window",
        ),
        pytest.param(
            lambda all_: all_.filter(Q(channel_name="a") | Q(subscriptions__channel_name="z")).distinct(),
            [0, 1, 3],
            id="or-over-a-join",
        ),
    ],
)
def test_a_query_means_exactly_its_sessions(build: Any, expected: list[int]) -> None:
    gateway = ApiGatewayFactory.create()
    rows = [WebSocketSessionFactory.create(api_gateway=gateway, channel_name=name) for name in "abcabc"]
    for name in "az":
        ChannelSubscriptionFactory.create(session=rows[1], channel_name=name)

    audience = audience_of(build(WebSocketSession.objects.order_by("pk")))

    assert keys(audience) == pks([rows[index] for index in expected])


def test_a_slice_sends_to_the_connected_ones_of_the_slice() -> None:
    first, second, third = sessions(3)
    second.connected = False
    second.save()

    audience = audience_of(WebSocketSession.objects.order_by("-pk")[:2])

    assert keys(audience) == [third.pk]
    assert first.connected


def test_a_single_session_is_an_audience() -> None:
    first, _second = sessions(2)

    assert keys(audience_of(first)) == [first.pk]


@pytest.mark.parametrize("wrong", ["lobby", None, 7, []])
def test_anything_but_sessions_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="Send to a QuerySet of WebSocketSession"):
        audience_of(wrong)


def test_a_query_of_another_model_is_a_type_error() -> None:
    gateways: Any = ApiGateway.objects.all()

    with pytest.raises(TypeError):
        audience_of(gateways)


def test_a_page_costs_one_query_and_a_short_page_is_the_last(django_assert_num_queries: Any) -> None:
    sessions(7)

    with django_assert_num_queries(3):
        keys(audience_of(WebSocketSession.objects.all()))


def test_a_channel_with_nobody_costs_two_queries(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        assert keys(audience_of_channel("nobody-here")) == []


def test_pages_are_cut_by_key_and_never_by_offset(django_assert_num_queries: Any) -> None:
    sessions(7)

    with django_assert_num_queries(4) as queries:
        keys(audience_of_channel("lobby"))

    statements = [query["sql"].upper() for query in queries.captured_queries]
    assert not any("OFFSET" in sql or " OR " in sql or "EXISTS" in sql for sql in statements)


def test_a_whole_channel_asked_for_by_query_uses_the_indexes_as_well(django_assert_num_queries: Any) -> None:
    sessions(2)
    ChannelSubscriptionFactory.create(session=sessions(1, channel_name="x")[0], channel_name="lobby")

    with django_assert_num_queries(2) as queries:
        assert len(keys(audience_of(WebSocketSession.objects.in_channel("lobby")))) == 3

    statements = [query["sql"].upper() for query in queries.captured_queries]
    assert not any(" OR " in sql or "EXISTS" in sql for sql in statements)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda all_: all_.in_channel("b"), [0, 1, 2], id="whole"),
        pytest.param(lambda all_: all_.in_channel("b").order_by("-pk").only("pk"), [0, 1, 2], id="order"),
        pytest.param(lambda all_: all_.in_channel("b").filter(user=None), [1, 2], id="filter-after"),
        pytest.param(lambda all_: all_.filter(user=None).in_channel("b"), [1, 2], id="filter-before"),
        pytest.param(lambda all_: all_.in_channel("b").exclude(channel_name="b"), [0, 1], id="exclude"),
        pytest.param(lambda all_: all_.in_channel("b").order_by("pk")[:1], [0], id="slice"),
        pytest.param(lambda all_: all_.in_channel("b").none(), [], id="none-after"),
        pytest.param(lambda all_: all_.none().in_channel("b"), [], id="none-before"),
        pytest.param(lambda all_: all_.in_channel("b").in_channel("a"), [0, 1], id="both"),
        pytest.param(lambda all_: all_.in_channel("b") & all_.filter(pk__gt=0, user=None), [1, 2], id="and"),
        pytest.param(lambda all_: all_.in_channel("b") | all_.in_channel("c"), [0, 1, 2, 3], id="or"),
        pytest.param(lambda all_: all_.extra(where=["user_id IS NULL"]).in_channel("b"), [1, 2], id="extra"),
        pytest.param(lambda all_: all_.using("default").in_channel("b"), [0, 1, 2], id="using"),
        pytest.param(lambda all_: User.objects.get().websocket_sessions.in_channel("b"), [0], id="of-a-user"),
    ],
)
def test_what_is_asked_beside_a_channel_counts(build: Any, expected: list[int]) -> None:
    gateway = ApiGatewayFactory.create()
    rows = [WebSocketSessionFactory.create(api_gateway=gateway, channel_name=name) for name in "aabc"]
    rows[0].user = UserFactory.create()
    rows[0].save()
    for row in rows[:2]:
        ChannelSubscriptionFactory.create(session=row, channel_name="b")

    audience = audience_of(build(WebSocketSession.objects.all()))

    assert keys(audience) == pks([rows[index] for index in expected])


def test_counting_asks_each_stream_once(django_assert_num_queries: Any) -> None:
    rows = sessions(4)
    ChannelSubscriptionFactory.create(session=rows[0], channel_name="other")

    with django_assert_num_queries(2):
        assert audience_of_channel("other").count() == 1
    assert audience_of(WebSocketSession.objects.all()[:3]).count() == 3


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words are those of SQLite")
@pytest.mark.parametrize("ask", [lambda: audience_of_channel("lobby"), audience_of_everyone])
def test_no_page_is_sorted(ask: Any) -> None:
    ApiGatewayFactory.create()

    for stream in ask().streams:
        query = stream.as_query() if isinstance(stream, ChannelStream) else stream

        assert "TEMP B-TREE" not in query.page(5).explain()
