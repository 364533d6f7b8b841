"""Limits of connection attempts, for each user and each address."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import UserFactory
from tests.views.urls import StackView
from websocket_gateway.models import ConnectionRateLimit

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
    wrong = [ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(token="wrong") for _ in range(3)]
    right = ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(user=UserFactory.create())

    assert [reply.status_code for reply in wrong] == [403, 429, 429]
    assert right.ok


def test_all_attempts_of_an_address_have_a_limit_of_ten_times_as_many(ws_client: Any) -> None:
    replies = [
        ws_client(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(user=UserFactory.create()) for _ in range(11)
    ]

    assert [reply.status_code for reply in replies] == [200] * 10 + [429]


def test_limit_per_address_can_be_set(ws_client: Any) -> None:
    options = {"RATE_LIMIT_MAX_ATTEMPTS_PER_IP": 1}
    users = UserFactory.create_batch(2)

    replies = [ws_client(StackView, **options).connect(user=user) for user in users]
    elsewhere = ws_client(StackView, **options).connect(user=users[1], source_ip="198.51.100.1")

    assert [reply.status_code for reply in replies] == [200, 429]
    assert elsewhere.ok


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
