"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebSocketGatewayConfig(AppConfig):
    """Registers checks and signal receivers; imports neither boto3 nor the network."""

    name = "websocket_gateway"
    verbose_name = _("WebSocket gateway")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks; connect the receivers that end the sockets of users who left; metrics."""
        from websocket_gateway.checks import register_checks
        from websocket_gateway.conf import get_settings
        from websocket_gateway.log_records import follow_django
        from websocket_gateway.metrics.following import follow
        from websocket_gateway.receivers import connect_receivers
        from websocket_gateway.web_requests import follow_requests

        register_checks()
        connect_receivers()
        follow_requests()
        follow_django()
        follow(lambda: get_settings().metrics)
