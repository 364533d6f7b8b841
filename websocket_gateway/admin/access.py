"""Permissions of the admin's pages and actions, and the log of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.http import HttpRequest

from websocket_gateway.conf import get_settings
from websocket_gateway.log_records import get_logger

if TYPE_CHECKING:
    from typing import TypeVar

    Row = TypeVar("Row", bound=models.Model)

VIEW_SESSIONS = "websocket_gateway.view_websocketsession"
VIEW_MEMBERS = "websocket_gateway.view_channelmember"
SEND = "websocket_gateway.send_websocketsession"
DISCONNECT = "websocket_gateway.disconnect_websocketsession"
CHANGE_SESSIONS = "websocket_gateway.change_websocketsession"
PROVISION = "websocket_gateway.provision_apigateway"
FORGET_HISTORY = "websocket_gateway.delete_channel"

logger = get_logger("websocket_gateway.admin")


def may_provision(request: HttpRequest) -> bool:
    """Return whether this user, in this process, may change gateways in AWS."""
    try:
        enabled = get_settings().admin_provisioning
    except ImproperlyConfigured:
        return False
    return enabled and request.user.has_perm(PROVISION)


def record(model_admin: admin.ModelAdmin[Row], request: HttpRequest, row: Row, change: str) -> None:
    """Write a change of `row` to Django's admin log and to the logger `websocket_gateway.admin`."""
    model_admin.log_change(request, row, change)
    user = request.user.get_username()
    changed = f"{row._meta.model_name} {row.pk}"
    logger.info("%s: %s (by %s)", changed, change, user, extra={"event": "admin_change"})
