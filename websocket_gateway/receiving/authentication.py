"""Whether a request came from one of our API Gateways: the gateway that it names, and the origin secret."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from django.core.signals import setting_changed
from django.http import HttpRequest

from websocket_gateway import context_headers
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import is_origin_secret
from websocket_gateway.receiving.events import API_ID_HEADER, read_header

_REFRESH_SECONDS = 1.0
"""An unknown id makes the process read the rows again, but not more often than this."""
_NOTHING_READ: tuple[Mapping[str, ApiGateway], float] = ({}, float("-inf"))


class _GatewayCache:
    """The few gateway rows of a process, by API id, read again when they are too old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = object()
        self._state: tuple[Mapping[str, ApiGateway], float] = _NOTHING_READ

    def find(self, api_id: str) -> ApiGateway | None:
        rows, read_at = self._state
        if self._is_old(api_id, rows, read_at):
            with self._lock:
                rows, read_at = self._state  # another thread may have read them meanwhile
                if self._is_old(api_id, rows, read_at):
                    rows = self._read()
        return rows.get(api_id)

    @staticmethod
    def _is_old(api_id: str, rows: Mapping[str, ApiGateway], read_at: float) -> bool:
        age = time.monotonic() - read_at
        return age >= get_settings().gateway_cache_seconds or (api_id not in rows and age >= _REFRESH_SECONDS)

    def _read(self) -> Mapping[str, ApiGateway]:
        epoch, read_at = self._epoch, time.monotonic()
        rows = {row.api_id: row for row in ApiGateway.objects.exclude(api_id="")}
        self._state = rows, read_at
        if epoch is not self._epoch:  # a gateway was saved while the rows were read
            self._state = _NOTHING_READ
        return rows

    def clear(self) -> None:
        self._epoch = object()
        self._state = _NOTHING_READ


_gateways = _GatewayCache()


def find_gateway(request: HttpRequest) -> ApiGateway | None:
    """The gateway that the request names; at most `GATEWAY_CACHE_SECONDS` old. This proves nothing yet."""
    api_id = read_header(request, API_ID_HEADER)
    return _gateways.find(api_id) if api_id else None


def forget_gateways(**kwargs: object) -> None:
    """Empty the process's cache of gateways; also a receiver of model signals."""
    _gateways.clear()


def has_origin_secret(request: HttpRequest, gateway: ApiGateway) -> bool:
    """Whether the request has the secret that only the integrations of this gateway know."""
    value = read_header(request, context_headers.ORIGIN_SECRET_HEADER)
    return value.isascii() and is_origin_secret(value, gateway.api_id)


def _forget_on_setting(*, setting: str, **kwargs: object) -> None:
    if setting in ("DATABASES", "WEBSOCKET_GATEWAY"):
        forget_gateways()


setting_changed.connect(_forget_on_setting, dispatch_uid="websocket_gateway.receiving.authentication")
