"""Makes the tables, a gateway on the port given, and so many sessions; to be run as a module."""

from __future__ import annotations

import sys
from datetime import timedelta

import django
from django.core.management import call_command
from django.utils import timezone


def populate(port: int, number: int) -> None:
    """Sessions `c0=` and so on, all in the channel `lobby`."""
    from websocket_gateway.models import ApiGateway, WebSocketSession

    call_command("migrate", verbosity=0)
    gateway = ApiGateway.objects.create(
        api_name="live",
        region_name="eu-west-1",
        target_base_endpoint="http://127.0.0.1/ws/",
        api_id="abc123",
        api_endpoint=f"ws://127.0.0.1:{port}/_api/abc123",
        api_created=True,
    )
    hour_ago = timezone.now() - timedelta(hours=1)
    WebSocketSession.objects.bulk_create(
        WebSocketSession(
            connection_id=f"c{count}=", channel_name="lobby", api_gateway=gateway, created_on=hour_ago
        )
        for count in range(number)
    )


if __name__ == "__main__":
    django.setup()
    populate(int(sys.argv[1]), int(sys.argv[2]))
