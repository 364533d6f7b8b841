"""What the processes do that `test_killed_publishers` kills."""

from __future__ import annotations

import json
from typing import Any

import boto3  # noqa: F401 - once, before the processes fork
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest

from websocket_gateway.aws.engines import asyncio_loop, boto3_threads  # noqa: F401 - likewise
from websocket_gateway.models import WebSocketSession
from websocket_gateway.purging import Part, purge
from websocket_gateway.sending import broadcast
from websocket_gateway.sending.publishing import send_abandoned
from websocket_gateway.testing import message_request
from websocket_gateway.views import WebSocketView

CHANNEL = "orders_eu"


class OrdersView(WebSocketView):
    """A group stands for an order: the message is about it, and commits with it."""

    deduplicate = True

    def place(self, request: HttpRequest) -> dict[str, Any]:
        """Save an order and tell the channel."""
        _place(self.body["name"])
        return {"placed": self.body["name"]}


def publish(name: str) -> None:
    """Publish without a transaction."""
    broadcast({"name": name}, channel=CHANNEL)


def publish_with_data(name: str) -> None:
    """Publish in the transaction that saves what the message is about."""
    with transaction.atomic():
        _place(name)


def request_order(name: str) -> Any:
    """Handle the frame of a client that asks for an order; its reply."""
    session = WebSocketSession.objects.select_related("api_gateway").get(connection_id="customer=")
    frame = {"handler": "place", "name": name, "_ws": {"id": name, "client": "page"}}
    response = OrdersView.as_view()(
        message_request(session.api_gateway, session.connection_id, frame), route="default"
    )
    return json.loads(response.content)


def continue_by_reader(name: str) -> int:
    """What the recovery of a client and the next publisher do for those who died."""
    return send_abandoned(CHANNEL)


def continue_by_purge(name: str) -> None:
    """What the scheduled purge does for them."""
    purge(only=[Part.HISTORY])


def _place(name: str) -> None:
    Group.objects.create(name=name)
    broadcast({"name": name}, channel=CHANNEL)
