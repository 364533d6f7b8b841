"""Connect tokens: hashed, bound, single-use, short-lived, limited."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from tests.factories import UserFactory, WebSocketTokenFactory
from tests.threads import run_together
from websocket_gateway.exceptions import RateLimitedError
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import ConnectionRateLimit, WebSocketToken
from websocket_gateway.receiving.tokens import consume_token, issue_token


@pytest.mark.django_db
def test_token_opens_for_its_user_once() -> None:
    user = UserFactory.create()
    token = issue_token(user)

    first, second = consume_token(token), consume_token(token)

    assert first is not None
    assert first.user == user
    assert second is None


@pytest.mark.django_db
def test_token_has_256_random_bits_and_is_stored_as_a_hash_only() -> None:
    user = UserFactory.create()

    tokens = {issue_token(user) for _ in range(5)}

    assert len(tokens) == 5
    assert {len(token) for token in tokens} == {43}
    for row in WebSocketToken.objects.values():
        assert not tokens & {str(value) for value in row.values()}


@pytest.mark.django_db
def test_token_is_refused_after_its_life(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"TOKEN_EXPIRY_SECONDS": 30}
    token = issue_token(UserFactory.create())
    WebSocketToken.objects.update(expires_on=timezone.now() - timedelta(milliseconds=1))

    assert consume_token(token) is None


@pytest.mark.django_db
def test_life_of_a_token_is_the_setting(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"TOKEN_EXPIRY_SECONDS": 30}
    issue_token(UserFactory.create())

    row = WebSocketToken.objects.get()

    assert row.expires_on - row.created_on == timedelta(seconds=30)


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\x00", "\ud800", "é"])
def test_text_that_is_no_token_opens_nothing(token: str) -> None:
    assert consume_token(token) is None


@pytest.mark.django_db
def test_token_with_another_session_cookie_opens_nothing_and_is_not_spent() -> None:
    token = issue_token(UserFactory.create(), session_key="mine")

    assert consume_token(token, session_key="other") is None
    assert consume_token(token, session_key="mine") is not None


@pytest.mark.django_db
def test_token_serves_without_a_cookie() -> None:
    token = issue_token(UserFactory.create(), session_key="mine")

    assert consume_token(token, session_key=None) is not None


@pytest.mark.django_db
def test_token_of_a_native_client_serves_beside_any_cookie() -> None:
    token = issue_token(UserFactory.create())

    assert consume_token(token, session_key="any") is not None


@pytest.mark.django_db
def test_token_dies_with_the_password() -> None:
    user = UserFactory.create()
    token = issue_token(user)
    user.set_password("another")
    user.save()

    assert consume_token(token) is None


@pytest.mark.django_db
def test_token_of_an_inactive_user_opens_nothing() -> None:
    user = UserFactory.create()
    token = issue_token(user)
    type(user).objects.filter(pk=user.pk).update(is_active=False)

    assert consume_token(token) is None


@pytest.mark.django_db
def test_token_survives_a_rotation_of_the_secret_key(settings: Any) -> None:
    token = issue_token(UserFactory.create())

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "rotated"

    assert consume_token(token) is not None


@pytest.mark.django_db
@pytest.mark.usefixtures("within_one_minute")
def test_tokens_are_limited_per_user_and_minute(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"TOKEN_RATE_LIMIT_PER_MINUTE": 2}
    user, other = UserFactory.create(), UserFactory.create()
    issue_token(user)
    issue_token(user)

    with pytest.raises(RateLimitedError) as caught:
        issue_token(user)

    assert 1 <= caught.value.retry_after <= 60
    assert issue_token(other)


@pytest.mark.django_db
def test_old_tokens_go_as_new_ones_come() -> None:
    user = UserFactory.create()
    WebSocketTokenFactory.create_batch(3, user=user, used=True)
    WebSocketTokenFactory.create_batch(3, user=user, expired=True)

    issue_token(user)

    assert WebSocketToken.objects.filter(user=user).count() == 1


@pytest.mark.django_db(transaction=True)
def test_token_is_consumed_exactly_once_by_many_at_once() -> None:
    token = issue_token(UserFactory.create())

    results = run_together(*[lambda: consume_token(token)] * 30)

    assert sum(row is not None for row in results) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("within_one_minute")
def test_limit_of_tokens_is_exact_when_many_are_asked_for_at_once(settings: Any) -> None:
    user = UserFactory.create()

    def ask() -> bool:
        try:
            issue_token(user)
        except RateLimitedError:
            return False
        return True

    results = run_together(*[ask] * 80)

    assert results.count(True) == 60
    assert WebSocketToken.objects.filter(user=user).count() == 60


@pytest.mark.django_db
def test_session_auth_hash_of_nobody_is_empty() -> None:
    from django.contrib.auth.models import AnonymousUser

    assert hash_session_auth(AnonymousUser()) == ""


@pytest.mark.django_db
@pytest.mark.parametrize("nobody", [AnonymousUser(), User(username="not saved")])
def test_nobody_gets_a_token(nobody: Any) -> None:
    with pytest.raises(ValueError, match="in the database"):
        issue_token(nobody)

    assert not ConnectionRateLimit.objects.exists()
