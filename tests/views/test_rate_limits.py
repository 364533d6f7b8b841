"""Limits of connection attempts, for each user and each address."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.factories import UserFactory
from tests.views.urls import PublicView, StackView
from websocket_gateway.models import ConnectionRateLimit
from websocket_gateway.receiving.tokens import issue_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


def test_limit_per_user(ws_client: Any) -> None:
    user = UserFactory.create()

    replies = [ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=2).connect(user=user) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert 1 <= int(replies[-1].response["Retry-After"]) <= 300


def test_office_behind_one_address_is_not_shut_out(ws_client: Any) -> None:
    replies = [
        ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(user=UserFactory.create()) for _ in range(5)
    ]

    assert all(reply.ok for reply in replies)


def test_wrong_tokens_of_an_address_leave_its_users_alone(ws_client: Any) -> None:
    options = {"RATE_LIMIT_MAX_ATTEMPTS": 1, "RATE_LIMIT_MAX_ATTEMPTS_PER_IP": 1}
    wrong = [ws_client(StackView, **options).connect(token="wrong") for _ in range(3)]
    right = ws_client(StackView, **options).connect(user=UserFactory.create())

    assert [reply.status_code for reply in wrong] == [403, 429, 429]
    assert right.ok


def test_three_hundred_refusals_of_an_address_keep_none_of_its_users_out(ws_client: Any) -> None:
    wrong = Counter(ws_client(StackView).connect(token="wrong").status_code for _ in range(300))
    right = [ws_client(StackView).connect(user=UserFactory.create()) for _ in range(20)]

    assert wrong == {403: 200, 429: 100}
    assert all(reply.ok for reply in right)


def test_visitors_of_a_public_view_are_strangers_of_their_address(ws_client: Any) -> None:
    options = {"RATE_LIMIT_MAX_ATTEMPTS": 1, "RATE_LIMIT_MAX_ATTEMPTS_PER_IP": 3}
    refused = ws_client(StackView, **options).connect(token="wrong")

    replies = [ws_client(PublicView, **options).connect() for _ in range(3)]

    assert refused.status_code == 403
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    (row,) = ConnectionRateLimit.objects.all()
    assert (row.key, row.attempts) == ("connect:300s:ip:192.0.2.1", 3)


def test_limit_per_address_counts_refused_strangers_alone(ws_client: Any) -> None:
    options = {"RATE_LIMIT_MAX_ATTEMPTS_PER_IP": 2}
    user = UserFactory.create()

    wrong = [ws_client(StackView, **options).connect(token="wrong") for _ in range(3)]
    elsewhere = ws_client(StackView, **options).connect(token="wrong", source_ip="198.51.100.1")
    right = [ws_client(StackView, **options).connect(user=user) for _ in range(3)]

    assert [reply.status_code for reply in wrong] == [403, 403, 429]
    assert elsewhere.status_code == 403
    assert all(reply.ok for reply in right)


@pytest.mark.parametrize(
    "attempt",
    [{"headers": {"Sec-WebSocket-Key": ""}}, {"origin": None}, {"token": "wrong"}, {}],
    ids=["header missing", "neither origin nor token", "wrong token", "no token"],
)
def test_whatever_is_refused_before_a_user_is_known_counts_for_strangers(
    ws_client: Any, attempt: dict[str, Any]
) -> None:
    options = {"RATE_LIMIT_MAX_ATTEMPTS_PER_IP": 1}

    statuses = [ws_client(StackView, **options).connect(**attempt).status_code for _ in range(2)]

    assert statuses[0] in (400, 403)
    assert statuses[1] == 429


def test_origin_is_checked_before_anything_is_counted(ws_client: Any) -> None:
    replies = [
        ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS_PER_IP=1).connect(origin="https://evil.example")
        for _ in range(3)
    ]

    assert {reply.error for reply in replies} == {"origin_denied"}
    assert not ConnectionRateLimit.objects.exists()


def test_refusal_is_logged_with_its_rule(ws_client: Any, caplog: pytest.LogCaptureFixture) -> None:
    user = UserFactory.create()
    for _ in range(2):
        token = issue_token(user)
        ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(token=token)

    record = vars(caplog.records[-1])
    known = {name: record[name] for name in ("rule", "user_id", "source_ip", "origin", "status")}
    assert known == {
        "rule": "RATE_LIMIT_MAX_ATTEMPTS",
        "user_id": user.pk,
        "source_ip": "192.0.2.1",
        "origin": "https://www.example.com",
        "status": 429,
    }
    assert token not in str(record)


def test_window_is_part_of_the_view(ws_client: Any) -> None:
    ws_client(StackView, RATE_LIMIT_WINDOW_MINUTES=7).connect(user=UserFactory.create())

    assert ConnectionRateLimit.objects.filter(key__startswith="connect:420s:user:").exists()


def test_settings_stand_in_for_attributes_that_are_none(ws_client: Any, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "RATE_LIMIT_MAX_ATTEMPTS": 1,
        "RATE_LIMIT_WINDOW_MINUTES": 3,
    }
    user = UserFactory.create()

    replies = [ws_client(StackView).connect(user=user) for _ in range(2)]

    assert [reply.status_code for reply in replies] == [200, 429]
    assert ConnectionRateLimit.objects.filter(key__startswith="connect:180s:user:").exists()


def test_limits_can_be_switched_off(ws_client: Any) -> None:
    options = {"RATE_LIMIT_ENABLED": False, "RATE_LIMIT_MAX_ATTEMPTS": 0}

    assert ws_client(StackView, **options).connect(user=UserFactory.create()).ok
    assert not ConnectionRateLimit.objects.filter(key__startswith="connect").exists()


def test_zero_is_no_limit_for_users_strangers_and_tokens(ws_client: Any, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"RATE_LIMIT_MAX_ATTEMPTS": 0, "TOKEN_RATE_LIMIT_PER_MINUTE": 0}
    user = UserFactory.create()

    tokens = [issue_token(user) for _ in range(61)]
    by_settings = [ws_client(StackView).connect(token=token) for token in tokens[:21]]
    by_view = ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=0).connect(token=tokens[-1])
    strangers = [ws_client(StackView).connect(token="wrong") for _ in range(21)]
    of_the_address = ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS_PER_IP=0).connect(token="wrong")

    assert {reply.status_code for reply in [*by_settings, by_view]} == {200}
    assert {reply.status_code for reply in [*strangers, of_the_address]} == {403}
    assert not ConnectionRateLimit.objects.exists()


def test_token_view_does_not_count_against_a_limit_of_zero(settings: Any) -> None:
    from websocket_gateway.views.tokens import find_refusal

    settings.WEBSOCKET_GATEWAY = {"RATE_LIMIT_MAX_ATTEMPTS": 0}

    assert find_refusal(UserFactory.create()) is None
