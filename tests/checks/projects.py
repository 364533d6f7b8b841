"""Small projects as overrides of the test settings: two as they should be, and what goes wrong in one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.checks import run_checks
from django.http import HttpRequest
from django.test import override_settings
from django.urls import path

from websocket_gateway.checks.messages import TAG
from websocket_gateway.views import WebSocketTokenView, WebSocketView


class ChatView(WebSocketView):
    """As it should be in production."""

    ALLOWED_HANDLERS = {"say"}
    permissions_required = ["auth.view_user"]

    def say(self, request: HttpRequest) -> dict[str, Any]:
        """Say it again."""
        return dict(self.body)


def urls(route: str = "ws/<str:route>", extra: dict[str, Any] | None = None, **initkwargs: Any) -> Any:
    """A URLconf with one socket and the view that hands out tokens."""
    return (path(route, ChatView.as_view(**initkwargs), extra), path("token/", WebSocketTokenView.as_view()))


PRODUCTION: dict[str, Any] = {
    "DEBUG": False,
    "ALLOWED_HOSTS": ["www.example.com", "ws.example.com"],
    "CSRF_TRUSTED_ORIGINS": ["https://www.example.com", "https://ws.example.com"],
    "SESSION_COOKIE_DOMAIN": ".example.com",
    "CSRF_COOKIE_DOMAIN": ".example.com",
    "SESSION_COOKIE_SAMESITE": "Lax",
    "CSRF_COOKIE_SAMESITE": "Lax",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "AWS_GATEWAY_REGION_NAME": "eu-central-1",
    "ROOT_URLCONF": urls(),
}
LOCAL: dict[str, Any] = {
    "DEBUG": True,
    "ALLOWED_HOSTS": ["127.0.0.1", "localhost", "something.tunnel.example"],
    "CSRF_TRUSTED_ORIGINS": ["https://something.tunnel.example"],
    "AWS_IAM_PROFILE": "development",
    "AWS_GATEWAY_REGION_NAME": "eu-central-1",
    "ROOT_URLCONF": urls(),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A finding: `bad` has it, `good` has not; both on top of a known-good project."""

    number: str
    bad: Mapping[str, Any] = field(default_factory=dict)
    good: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=lambda: PRODUCTION)
    bad_environment: Mapping[str, str | None] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    """Further findings that come with it."""


def findings(*layers: Mapping[str, Any], deploy: bool = False) -> list[str]:
    """The numbers of what is found in the project made of these settings."""
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(override_settings(**layer))
        messages = run_checks(tags=[TAG], include_deployment_checks=deploy)
    assert all(message.hint for message in messages)
    return [str(message.id).removeprefix(f"{TAG}.") for message in messages]


def change_environment(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str | None]) -> None:
    """Set the variables; None takes one away."""
    for name, value in values.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
