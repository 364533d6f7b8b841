"""Whether a request came from one of our API Gateways: the gateway that it names, and the origin secret.

A process keeps the rows of gateways for some seconds, apart for each database and schema: which rows a table
has depends on the database that the router names and, where tenants have schemas of their own
(django-tenants), on the schema that the connection is set to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from copy import copy, deepcopy
from typing import NamedTuple

from django.core.signals import setting_changed
from django.db import Error, router
from django.http import HttpRequest

from websocket_gateway.conf import get_settings
from websocket_gateway.database_errors import is_away
from websocket_gateway.forking import PerProcess
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import is_origin_secret
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.receiving.events import API_ID_HEADER
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.tenants import Place, place_in

_UNKNOWN_SECONDS = 1.0
"""How long the answer "there is no gateway with this id" is kept."""
_UNKNOWN_IDS = 8
"""How many of these answers are kept. Further unknown ids are not looked up, which bounds a flood."""
_PLACES = 1_024
_GENERATIONS_TRIED = 32
"""Rotations after which a signature is not recognized any more while the database is away."""


def find_gateway(request: HttpRequest) -> ApiGateway | None:
    """The gateway that the request names; at most `GATEWAY_CACHE_SECONDS` old. This proves nothing yet.

    A replica can lack a new gateway, which is then looked for where it was written, if the request is signed.
    """
    api_id = read_header(request, API_ID_HEADER)
    if not api_id:
        return None
    reading, writing = router.db_for_read(ApiGateway), router.db_for_write(ApiGateway)
    found = known_gateways().find(api_id, reading)
    if found is None and writing != reading and is_signed(request, api_id):
        found = known_gateways().find(api_id, writing)
    return found


def has_origin_secret(request: HttpRequest, gateway: ApiGateway) -> bool:
    """Whether the request has the secret that only the integrations of this gateway know."""
    return _has_secret(request, gateway.api_id, gateway.accepted_generations)


def is_signed(request: HttpRequest, api_id: str) -> bool:
    """Whether the request has a secret of the integrations of this API, whose row cannot be read now."""
    return _has_secret(request, api_id, range(_GENERATIONS_TRIED))


def _has_secret(request: HttpRequest, api_id: str, generations: range) -> bool:
    value = take_credentials(request).origin_secret
    return bool(api_id) and value.isascii() and is_origin_secret(value, api_id, generations)


class _State(NamedTuple):
    rows: Mapping[str, ApiGateway]
    read_at: float
    unknown: Mapping[str, float]


class _Rows:
    """The rows of one place by API id. Reads them again when they are too old or an id is missing."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._lock = threading.Lock()
        self._state = _State({}, float("-inf"), {})

    def find(self, api_id: str) -> ApiGateway | None:
        """A copy of the row: what a hook changes on it holds for its own request only."""
        state = self._state
        if _must_read(state, api_id):
            with self._lock:
                state = self._state  # another thread may have read them meanwhile
                if _must_read(state, api_id):
                    state = self._state = self._read_or_keep(api_id, state)
        row = state.rows.get(api_id)
        if row is None:
            return None
        # As `copy()` does, by the method for pickling: with a `_state` of its own. Neither `copy()` nor
        # `deepcopy()`, which take a tenth of a message's time and more.
        found = type(row).__new__(type(row))
        vars(found).update(row.__getstate__())
        found.tags = deepcopy(row.tags) if row.tags else copy(row.tags)
        return found

    def _read_or_keep(self, api_id: str, state: _State) -> _State:
        """The rows; those of before for another second, if the database is away and they have the id.

        Then the event is answered by whatever needs the database next: it knows which message it was.
        """
        try:
            return self._read(api_id, state.unknown)
        except Error as exc:
            if api_id not in state.rows or not is_away(exc):
                raise
        again = time.monotonic() - get_settings().gateway_cache_seconds + _UNKNOWN_SECONDS
        return state._replace(read_at=max(state.read_at, again))

    def _read(self, api_id: str, unknown: Mapping[str, float]) -> _State:
        now = time.monotonic()
        rows = {row.api_id: row for row in ApiGateway.objects.using(self._alias).exclude(api_id="")}
        kept = {known: at for known, at in unknown.items() if now - at < _UNKNOWN_SECONDS}
        return _State(rows, now, kept if api_id in rows else {**kept, api_id: now})


def _must_read(state: _State, api_id: str) -> bool:
    now = time.monotonic()
    if now - state.read_at >= get_settings().gateway_cache_seconds:
        return True
    if api_id in state.rows or now - state.unknown.get(api_id, float("-inf")) < _UNKNOWN_SECONDS:
        return False
    return sum(now - at < _UNKNOWN_SECONDS for at in state.unknown.values()) < _UNKNOWN_IDS


class GatewayRows:
    """The rows of all places in which this process has looked for a gateway."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[Place, _Rows] = {}

    def find(self, api_id: str, alias: str | None = None) -> ApiGateway | None:
        """The gateway with that API id, where the current connection to a database looks for it."""
        place = place_in(alias or router.db_for_read(ApiGateway))
        found = self._places.get(place)
        if found is None:
            with self._lock:
                found = self._places.setdefault(place, _Rows(place[0]))
                while len(self._places) > _PLACES:
                    del self._places[next(iter(self._places))]
        return found.find(api_id)

    def clear(self) -> None:
        """Forget all rows; those that another thread is reading just now are forgotten with them."""
        with self._lock:
            self._places = {}


def current_place() -> Place:
    """Where a query for gateways reads now."""
    return place_in(router.db_for_read(ApiGateway))


known_gateways = PerProcess(GatewayRows)


def forget_gateways(**kwargs: object) -> None:
    """Empty the process's memory of gateways; also a receiver of model signals."""
    known_gateways().clear()


def _forget_on_setting(*, setting: str, **kwargs: object) -> None:
    if setting in ("DATABASES", "DATABASE_ROUTERS", "WEBSOCKET_GATEWAY"):
        forget_gateways()


setting_changed.connect(_forget_on_setting, dispatch_uid="websocket_gateway.receiving.authentication")
