"""Identifiers that differ only in case are different, on every database."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from tests.factories import (
    ApiGatewayAdditionalRouteFactory,
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.models import (
    ApiGateway,
    ApiGatewayAdditionalRoute,
    ChannelPermission,
    ChannelSubscription,
    ConnectionRateLimit,
    WebSocketSession,
)

pytestmark = pytest.mark.django_db


def test_connection_ids_that_differ_in_case_are_two_connections() -> None:
    gateway = ApiGatewayFactory.create()
    lower = WebSocketSessionFactory.create(connection_id="kXyZ=", api_gateway=gateway)
    WebSocketSessionFactory.create(connection_id="KxYz=", api_gateway=gateway)

    assert WebSocketSession.objects.get(connection_id="kXyZ=") == lower
    assert not WebSocketSession.objects.filter(connection_id="KXYZ=").exists()


def test_the_same_connection_id_twice_is_refused() -> None:
    session = WebSocketSessionFactory.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        WebSocketSessionFactory.create(connection_id=session.connection_id)


def test_channels_that_differ_in_case_are_two_channels() -> None:
    upper = WebSocketSessionFactory.create(channel_name="Orders")
    lower = WebSocketSessionFactory.create(channel_name="orders")
    ChannelSubscriptionFactory.create(session=lower, channel_name="News")

    assert list(WebSocketSession.objects.in_channel("Orders")) == [upper]
    assert list(WebSocketSession.objects.in_channel("orders")) == [lower]
    assert list(WebSocketSession.objects.in_channel("News")) == [lower]
    assert not WebSocketSession.objects.in_channel("news").exists()
    assert ChannelSubscription.objects.filter(channel_name="News").count() == 1


def test_route_keys_and_names_and_api_ids_are_case_sensitive_too() -> None:
    gateway = ApiGatewayFactory.create(api_name="Chat", api_id="AbC")
    ApiGatewayFactory.create(api_name="chat", api_id="aBc")
    ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway, route_key="Move")
    ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway, route_key="move")
    ChannelPermission.objects.create(channel_name="Orders")
    ChannelPermission.objects.create(channel_name="orders")
    ConnectionRateLimit.objects.create(key="A", window_start="2026-01-01T00:00:00Z")
    ConnectionRateLimit.objects.create(key="a", window_start="2026-01-01T00:00:00Z")

    assert ApiGateway.objects.get(api_id="AbC") == gateway
    assert ApiGatewayAdditionalRoute.objects.get(route_key="move").route_key == "move"
    assert ChannelPermission.objects.get(channel_name="Orders").channel_name == "Orders"
    assert ConnectionRateLimit.objects.get(key="a").key == "a"


def test_a_route_key_is_unique_in_its_gateway_only() -> None:
    route = ApiGatewayAdditionalRouteFactory.create()
    ApiGatewayAdditionalRouteFactory.create(route_key=route.route_key)

    with pytest.raises(IntegrityError), transaction.atomic():
        ApiGatewayAdditionalRouteFactory.create(api_gateway=route.api_gateway, route_key=route.route_key)


def test_a_target_without_its_slash_gets_one() -> None:
    gateway = ApiGatewayFactory.create(target_base_endpoint="http://web:8000/ws")
    assert gateway.target_base_endpoint == "http://web:8000/ws/"

    gateway.target_base_endpoint = "https://www.example.com/socket"
    gateway.save(update_fields=["target_base_endpoint"])

    gateway.refresh_from_db()
    assert gateway.target_base_endpoint == "https://www.example.com/socket/"


def test_a_session_is_in_a_channel_once_however_it_came_there() -> None:
    session = WebSocketSessionFactory.create(channel_name="lobby")

    assert session.subscribe("news") is True
    assert session.subscribe("news") is False
    assert session.subscribe("lobby") is False
    assert list(WebSocketSession.objects.in_channel("lobby")) == [session]
    assert session.unsubscribe("news") is True
    assert session.unsubscribe("news") is False
    assert session.unsubscribe("lobby") is True
    assert not WebSocketSession.objects.in_channel("lobby").exists()


def test_nobody_is_in_the_channel_without_a_name() -> None:
    WebSocketSessionFactory.create(channel_name="")

    assert not WebSocketSession.objects.in_channel("").exists()
    assert WebSocketSession.objects.in_channel("").send_message({"text": "hello"}).recipients == 0
