"""What an attack meets: a gateway, an attacker with a connection, a victim with another; and what is left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.support.rawhttp import RawAnswer, RawRequest, exchange
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import ApiGateway, WebSocketSession, WebSocketToken
from websocket_gateway.origin_secret import (
    installation_fingerprint,
    origin_secret,
    secret_fingerprint,
)
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import events

KINDS = ("connect", "message", "disconnect")
_LOOSE = {WebSocketToken: {"used_on"}, User: {"last_login"}}
"""What a refused attempt may change: the token that came with it is spent."""
_INTERNALS = re.compile(
    rb"wsOriginSecret|wsEventType|HTTP_[A-Z]|Traceback|File \"|SECRET_KEY|ALLOWED_|Exception",
)


@dataclass(frozen=True)
class World:
    """The rows, made again for each attack, and the port of the server."""

    port: int
    gateway: ApiGateway
    other: ApiGateway
    """Another gateway of the same installation, whose secret the attacker does not know either."""
    attacker: User
    own: WebSocketSession
    """The attacker's connection."""
    victim: WebSocketSession
    """The connection of a user who may do more."""
    token: str
    """A connect token of the attacker."""

    @property
    def secret(self) -> str:
        return origin_secret(self.gateway.api_id)

    @property
    def values(self) -> dict[str, str]:
        """What `{name}` stands for in an attack."""
        api_id = self.gateway.api_id
        return {
            "own": self.own.connection_id,
            "victim": self.victim.connection_id,
            "secret": self.secret,
            "SECRET": self.secret.upper(),
            "half": self.secret[:32],
            "other_secret": origin_secret(self.other.api_id),
            "future_secret": origin_secret(api_id, 40),
            "fingerprint": secret_fingerprint(self.secret),
            "installation": installation_fingerprint(),
            "api": api_id,
            "API": api_id.upper(),
            "other_api": self.other.api_id,
            "token": self.token,
        }

    def genuine(self, kind: str) -> RawRequest:
        """The event as API Gateway would send it for the attacker."""
        content = b"" if kind != "message" else b'{"handler": "say", "text": "hello"}'
        slug = "default" if kind == "message" else kind
        query = f"?ws_token={self.token}" if kind == "connect" else ""
        headers = [(name.encode(), value.encode()) for name, value in self._headers(kind).items()]
        if kind == "message":
            headers.append((b"Content-Type", b"application/json"))
        return RawRequest(f"/ws/{slug}{query}".encode(), tuple(headers), content)

    def _headers(self, kind: str) -> dict[str, str]:
        if kind == "connect":
            return events.connect_headers(self.gateway, "New-connection=")
        route = "$default" if kind == "message" else "$disconnect"
        return events.event_headers(self.gateway, self.own.connection_id, kind.upper(), route)

    def attack(self, request: RawRequest) -> RawAnswer:
        """Send it, with the names in it replaced by values."""
        return exchange(self.port, request.filled(self.values))

    def handled(self) -> list[str]:
        """Hooks and handlers that ran: what, for which connection, for which user."""
        names = Group.objects.order_by("pk").values_list("name", flat=True)
        return [name.rpartition(" ")[0] or name for name in names]

    def rows(self) -> dict[str, list[Any]]:
        """Every row that an attack could have made or changed."""
        models: list[Any] = [*apps.get_app_config("websocket_gateway").get_models(), Session, User, Group]
        return {model._meta.label: _values(model) for model in models}

    def row_of_victim(self, rows: dict[str, list[Any]]) -> list[Any]:
        """The victim's connection among all rows."""
        return [row for row in rows["websocket_gateway.WebSocketSession"] if row[0] == self.victim.pk]

    def assert_no_secret(self, answer: RawAnswer, *, known: bytes = b"") -> None:
        """Neither a secret nor anything about the inside of the site was answered.

        `known` is what the client itself has sent, where a server shows it before Django is reached.
        """
        secrets = (self.secret, self.token, settings.SECRET_KEY, origin_secret(self.other.api_id))
        shown = [secret.encode() for secret in secrets if secret.encode() in answer.raw]
        shown += _INTERNALS.findall(answer.raw)
        assert [text for text in shown if text not in known] == [], answer.raw


def _values(model: Any) -> list[Any]:
    names = [
        field.attname for field in model._meta.concrete_fields if field.name not in _LOOSE.get(model, ())
    ]
    return list(model._base_manager.order_by("pk").values_list(*names))


def build_world(port: int) -> World:
    """Make the rows."""
    gateway, other = ApiGatewayFactory.create_batch(2)
    attacker = UserFactory.create(username="mallory")
    boss = UserFactory.create(username="alice", superuser=True)

    def connected(user: User) -> WebSocketSession:
        row: WebSocketSession = WebSocketSessionFactory.create(
            api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
        )
        return row

    own, victim = connected(attacker), connected(boss)
    return World(port, gateway, other, attacker, own, victim, issue_token(attacker))
