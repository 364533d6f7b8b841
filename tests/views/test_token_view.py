"""`WebSocketTokenView`: POST, CSRF-protected, logged in, limited, in JSON whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.factories import UserFactory
from websocket_gateway.logins import hash_session_key
from websocket_gateway.models import WebSocketToken
from websocket_gateway.receiving.tokens import consume_token

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.views.urls")]


def test_user_who_is_logged_in_gets_a_token_that_works(client: Client, settings: Any) -> None:
    user = UserFactory.create()
    client.force_login(user)

    response = client.post("/token/")

    assert response.status_code == 200
    assert response.json()["expires_in"] == 60
    row = consume_token(response.json()["token"])
    assert row is not None
    assert row.user == user


def test_token_is_bound_to_the_session(client: Client) -> None:
    client.force_login(UserFactory.create())

    client.post("/token/")

    assert WebSocketToken.objects.get().session_key_hash == hash_session_key(client.session.session_key)


def test_answer_is_never_cached(client: Client) -> None:
    client.force_login(UserFactory.create())

    assert "no-store" in client.post("/token/")["Cache-Control"]


def test_visitor_is_refused_in_json(client: Client) -> None:
    response = client.post("/token/")

    assert (response.status_code, response.json()) == (403, {"error": "not_authenticated"})


def test_get_is_not_allowed(client: Client) -> None:
    client.force_login(UserFactory.create())

    assert client.get("/token/").status_code == 405


def test_request_without_csrf_token_is_refused_in_json() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory.create())

    response = client.post("/token/")

    assert (response.status_code, response.json()) == (403, {"error": "csrf_failed"})
    assert not WebSocketToken.objects.exists()


def test_request_with_csrf_token_passes(settings: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory.create())
    client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32

    response = client.post("/token/", headers={"X-CSRFToken": "a" * 32})

    assert response.status_code == 200


def test_csrf_is_checked_without_its_middleware(settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory.create())

    assert client.post("/token/").status_code == 403


def test_login_required_middleware_does_not_redirect(settings: Any, client: Client) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert client.post("/token/").json() == {"error": "not_authenticated"}


@pytest.mark.usefixtures("within_one_minute")
def test_too_many_tokens_are_429_with_retry_after(client: Client, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"TOKEN_RATE_LIMIT_PER_MINUTE": 1}
    client.force_login(UserFactory.create())
    client.post("/token/")

    response = client.post("/token/")

    assert (response.status_code, response.json()) == (429, {"error": "rate_limited"})
    assert 1 <= int(response["Retry-After"]) <= 60
