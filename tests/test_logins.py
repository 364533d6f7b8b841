"""Session engines are told by class, and users of a model without permissions have none."""

from __future__ import annotations

from importlib import import_module
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends import signed_cookies
from django.http import HttpRequest

from tests.checks.projects import PRODUCTION, findings
from websocket_gateway.auth_backends import has_permissions
from websocket_gateway.channels.rules import is_admitted
from websocket_gateway.logins import has_lasting_session_keys, is_session_engine
from websocket_gateway.models import ChannelPermission
from websocket_gateway.receiving.handlers import Requirement
from websocket_gateway.views import WebSocketView

DJANGO = "django.contrib.sessions.backends"
ENGINES = ("db", "cache", "cached_db", "file", "signed_cookies")


class SessionStore(signed_cookies.SessionStore):
    """This module is a session engine, which wraps Django's."""


@pytest.mark.parametrize(
    ("engine", "lasting"),
    [
        (f"{DJANGO}.db", True),
        (f"{DJANGO}.cached_db", True),
        (f"{DJANGO}.cache", True),
        (f"{DJANGO}.file", True),
        (f"{DJANGO}.signed_cookies", False),
        (__name__, False),
        ("no.such.engine", True),
    ],
)
def test_engine_is_told_by_its_class(settings: Any, engine: str, lasting: bool) -> None:
    settings.SESSION_ENGINE = engine

    assert has_lasting_session_keys() is lasting


def test_checks_tell_it_by_its_class_too() -> None:
    assert findings(PRODUCTION, {"SESSION_ENGINE": __name__}) == ["W014"]


def user_without_permissions() -> Any:
    user: Any = SimpleNamespace(is_authenticated=True, is_active=True, pk=1)
    assert not hasattr(AbstractBaseUser, "has_perm")
    return user


@pytest.mark.parametrize(("engine", "kind"), list(permutations(ENGINES, 2)))
def test_what_is_known_of_djangos_engines_is_so(engine: str, kind: str) -> None:
    names = [f"{DJANGO}.{name}" for name in (engine, kind)]
    store, base = (import_module(name).SessionStore for name in names)

    assert is_session_engine(*names) == issubclass(store, base)


def test_user_of_a_model_without_permissions_has_none() -> None:
    user = user_without_permissions()
    rule = ChannelPermission(audience="permissions", any_of=["auth.view_user"])

    assert not has_permissions(user, all_of=["auth.view_user"])
    assert not has_permissions(AnonymousUser(), all_of=["auth.view_user"])
    assert not is_admitted(user, rule)
    assert not Requirement(any_of=("auth.view_user",)).admits(user)
    assert not Requirement(all_of=("auth.view_user",)).admits(user)
    assert Requirement().admits(user)

    request: Any = HttpRequest()
    request.user = user
    view = WebSocketView(permissions_required=["a.b"], all_permissions_required=["a.b"])
    assert not view.has_any_permission(request)
    assert not view.has_all_permission(request)
