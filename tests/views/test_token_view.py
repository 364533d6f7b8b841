"""`WebSocketTokenView`: POST, CSRF-protected, logged in, limited, in JSON whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.factories import UserFactory, WebSocketSessionFactory
from websocket_gateway.logins import hash_session_key
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.receiving.limits import count_attempt, give_back_attempt
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


def use_up(user: User, attempts: int = 20, window_seconds: int = 300) -> None:
    for _ in range(attempts):
        count_attempt("connect", f"user:{user.pk}", limit=attempts, window_seconds=window_seconds)


@pytest.mark.usefixtures("within_one_minute")
def test_token_that_could_not_be_used_is_not_issued(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    user = UserFactory.create()
    client.force_login(user)
    use_up(user, 19)
    last = client.post("/token/")
    use_up(user, 20)

    response = client.post("/token/")

    assert last.status_code == 200
    assert (response.status_code, response.json()) == (429, {"error": "rate_limited"})
    assert 1 <= int(response["Retry-After"]) <= 300
    assert WebSocketToken.objects.count() == 1
    record = vars(next(record for record in caplog.records if "token" in record.getMessage()))
    assert (record["rule"], record["user_id"]) == ("RATE_LIMIT_MAX_ATTEMPTS", user.pk)
    other = Client()
    other.force_login(UserFactory.create())
    assert other.post("/token/").status_code == 200


@pytest.mark.usefixtures("within_one_minute")
def test_token_is_issued_again_once_an_attempt_is_given_back(client: Client) -> None:
    user = UserFactory.create()
    client.force_login(user)
    use_up(user)
    assert client.post("/token/").status_code == 429

    give_back_attempt("connect", f"user:{user.pk}", window_seconds=300, attempted_on=timezone.now())

    assert client.post("/token/").status_code == 200


@pytest.mark.usefixtures("within_one_minute")
def test_token_is_issued_where_one_view_would_accept_it(client: Client, settings: Any) -> None:
    user = UserFactory.create()
    client.force_login(user)
    use_up(user)
    use_up(user, window_seconds=600)

    for urlconf, status in (("patient", 200), ("unlimited", 200), ("slow", 429), ("elsewhere", 429)):
        settings.ROOT_URLCONF = f"tests.views.token_urls.{urlconf}"
        assert client.post("/token/").status_code == status, urlconf


def test_token_is_not_issued_while_the_user_has_all_connections(client: Client, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"MAX_CONNECTIONS_PER_USER": 2}
    user = UserFactory.create()
    client.force_login(user)
    WebSocketSessionFactory.create(user=user)
    before = client.post("/token/")
    session = WebSocketSessionFactory.create(user=user)

    response = client.post("/token/")

    assert before.status_code == 200
    assert (response.status_code, response["Retry-After"]) == (429, "30")
    WebSocketSession.objects.filter(pk=session.pk).update(connected=False)
    assert client.post("/token/").status_code == 200
