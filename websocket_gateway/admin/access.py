"""Who may do what, and the note that is kept of it."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.http import HttpRequest

from websocket_gateway.conf import get_settings

VIEW_SESSIONS = "websocket_gateway.view_websocketsession"
SEND = "websocket_gateway.send_websocketsession"
DISCONNECT = "websocket_gateway.disconnect_websocketsession"
CHANGE_SESSIONS = "websocket_gateway.change_websocketsession"
PROVISION = "websocket_gateway.provision_apigateway"

logger = logging.getLogger("websocket_gateway.admin")


def may_provision(request: HttpRequest) -> bool:
    """Whether this person, through this process, may change gateways in AWS."""
    try:
        offered = get_settings().admin_provisioning
    except ImproperlyConfigured:
        return False
    return offered and request.user.has_perm(PROVISION)


def record(model_admin: admin.ModelAdmin[Any], request: HttpRequest, row: models.Model, deed: str) -> None:
    """Note in Django's admin log, and in ours, what was done to `row`."""
    model_admin.log_change(request, row, deed)
    tell(request, deed, object_=f"{row._meta.model_name} {row.pk}")


def tell(request: HttpRequest, deed: str, *, object_: str) -> None:
    """Note in our log alone."""
    who = request.user.get_username()
    logger.info("%s: %s (by %s)", object_, deed, who, extra={"event": "admin", "user": who})
