"""Rate limits: exact in one thread and in sixty, whole again in the next window, bounded in storage."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import transaction

from tests.threads import run_together
from websocket_gateway.models import ConnectionRateLimit
from websocket_gateway.receiving import limits
from websocket_gateway.receiving.limits import (
    client_key,
    count_attempt,
    find_used_up,
    forget_known_keys,
    give_back_attempt,
)

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)


def attempt(who: str = "user:7", *, limit: int = 3, window: int = 300, now: datetime = NOON) -> bool:
    return count_attempt("connect", who, limit=limit, window_seconds=window, now=now).allowed


@pytest.mark.django_db
def test_as_many_attempts_as_the_limit_says_are_allowed() -> None:
    verdicts = [attempt() for _ in range(5)]

    assert verdicts == [True, True, True, False, False]


@pytest.mark.django_db
def test_attempts_are_counted_without_time_zones_too(settings: Any) -> None:
    settings.USE_TZ = False
    begin = datetime(2026, 1, 1, 12, 0, 0)

    verdicts = [attempt(now=begin + timedelta(seconds=second)) for second in (0, 1, 2, 3, 299)]
    later = count_attempt(
        "connect", "user:7", limit=3, window_seconds=300, now=begin + timedelta(seconds=310)
    )

    assert verdicts == [True, True, True, False, False]
    assert (later.allowed, later.retry_after) == (True, 290)


@pytest.mark.django_db
def test_limit_of_zero_allows_nobody_and_stores_nothing() -> None:
    assert not attempt(limit=0)
    assert not ConnectionRateLimit.objects.exists()


@pytest.mark.django_db
def test_each_key_counts_for_itself() -> None:
    assert [attempt("user:1", limit=1), attempt("user:2", limit=1), attempt("user:1", limit=1)] == [
        True,
        True,
        False,
    ]


@pytest.mark.django_db
def test_keys_that_differ_in_case_alone_are_two() -> None:
    assert attempt("user:a", limit=1)
    assert attempt("user:A", limit=1)


@pytest.mark.django_db
def test_client_that_keeps_trying_gets_its_full_number_in_the_next_window() -> None:
    for second in range(0, 300, 10):
        attempt(now=NOON + timedelta(seconds=second))

    verdicts = [attempt(now=NOON + timedelta(seconds=300)) for _ in range(4)]

    assert verdicts == [True, True, True, False]


@pytest.mark.django_db
def test_retry_after_is_the_time_until_the_next_window_in_whole_seconds() -> None:
    now = NOON + timedelta(seconds=100, milliseconds=500)

    verdict = count_attempt("connect", "user:7", limit=0, window_seconds=300, now=now)

    assert verdict.retry_after == 200


@pytest.mark.django_db
def test_windows_of_different_lengths_do_not_reset_each_other() -> None:
    verdicts = [attempt(limit=1, window=window) for window in (60, 300, 60, 300)]

    assert verdicts == [True, True, False, False]


@pytest.mark.django_db
def test_clock_that_is_behind_does_not_set_the_counter_back() -> None:
    attempt(limit=2, now=NOON)

    late = [attempt(limit=2, now=NOON - timedelta(seconds=1)) for _ in range(2)]

    assert late == [True, False]


@pytest.mark.django_db
def test_blocked_client_costs_two_reads_and_no_write(django_assert_num_queries: Any) -> None:
    attempt(limit=1)
    attempt(limit=1)

    with django_assert_num_queries(2) as captured:
        assert not attempt(limit=1)

    assert [query["sql"].split()[0] for query in captured.captured_queries] == ["UPDATE", "SELECT"]


@pytest.mark.django_db
def test_attempt_within_the_limit_is_one_statement(django_assert_num_queries: Any) -> None:
    attempt()

    with django_assert_num_queries(1):
        assert attempt()


@pytest.mark.django_db
def test_operator_who_deletes_the_row_lets_the_client_in_again() -> None:
    attempt(limit=1)
    assert not attempt(limit=1)

    ConnectionRateLimit.objects.all().delete()

    assert attempt(limit=1)


@pytest.mark.django_db
def test_surrounding_transaction_stays_usable_when_the_key_was_taken_meanwhile() -> None:
    with transaction.atomic():
        attempt(limit=1)
        forget_known_keys()

        assert not attempt(limit=1)
        assert ConnectionRateLimit.objects.count() == 1


@pytest.mark.django_db
def test_key_that_is_too_long_for_the_column_is_hashed() -> None:
    who = "user:" + "x" * 500

    assert attempt(who, limit=1)
    assert not attempt(who, limit=1)
    assert len(ConnectionRateLimit.objects.get().key) <= 191


@pytest.mark.django_db
def test_ended_windows_go_as_new_keys_come() -> None:
    later = NOON + timedelta(minutes=10)
    for number in range(limits._SWEEP_EVERY):
        attempt(f"ip:{number}", now=NOON)
    for _ in range(2):
        attempt("ip:later", now=later)

    ended = ConnectionRateLimit.objects.filter(window_start__lt=later)
    assert not ended.exists()


@pytest.mark.django_db
def test_ended_windows_go_in_a_flood_of_new_keys_too() -> None:
    later = NOON + timedelta(minutes=10)
    for number in range(limits._FLOOD):
        attempt(f"ip:{number}", now=NOON if number < 10 else later)

    assert ConnectionRateLimit.objects.count() <= limits._FLOOD
    assert not ConnectionRateLimit.objects.filter(window_start__lt=later).exists()


@pytest.mark.django_db
def test_no_attempt_costs_more_than_two_statements(django_assert_max_num_queries: Any) -> None:
    for number in range(2 * limits._SWEEP_EVERY):
        with django_assert_max_num_queries(4):  # an INSERT stands between a SAVEPOINT and its release
            attempt(f"ip:{number}", now=NOON)
    with django_assert_max_num_queries(2):
        attempt("ip:0", limit=5, now=NOON)


@pytest.mark.django_db
def test_sweeping_spares_windows_of_other_lengths() -> None:
    attempt("day", window=86_400, now=NOON)

    for number in range(limits._SWEEP_EVERY):
        attempt(f"ip:{number}", window=60, now=NOON + timedelta(minutes=10))
    attempt("ip:0", window=60, limit=2, now=NOON + timedelta(minutes=10))

    assert ConnectionRateLimit.objects.filter(key__contains="86400s").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fresh", [True, False], ids=["first window", "next window"])
def test_sixty_simultaneous_attempts_let_exactly_twenty_through(fresh: bool) -> None:
    if not fresh:
        attempt(limit=20, now=NOON - timedelta(minutes=5))

    verdicts = run_together(*[lambda: attempt(limit=20)] * 60)

    assert verdicts.count(True) == 20
    assert ConnectionRateLimit.objects.get().attempts == 20


def give_back(who: str = "user:7", *, at: datetime = NOON, now: datetime = NOON) -> bool:
    return give_back_attempt("connect", who, window_seconds=300, attempted_on=at, now=now)


@pytest.mark.django_db
def test_attempt_that_is_given_back_can_be_made_again() -> None:
    assert [attempt(limit=1), attempt(limit=1), give_back(), attempt(limit=1), attempt(limit=1)] == [
        True,
        False,
        True,
        True,
        False,
    ]


@pytest.mark.django_db
def test_counter_never_falls_below_zero() -> None:
    assert not give_back()
    attempt()

    assert [give_back(), give_back()] == [True, False]
    assert ConnectionRateLimit.objects.get().attempts == 0


@pytest.mark.django_db
def test_attempt_of_another_window_is_not_given_back() -> None:
    later = NOON + timedelta(seconds=300)
    attempt()
    attempt(now=later)

    assert not give_back(at=NOON, now=later)
    assert not give_back(at=NOON, now=NOON + timedelta(seconds=10))  # the row has moved on by now
    assert ConnectionRateLimit.objects.get().attempts == 1


@pytest.mark.django_db
def test_giving_back_is_one_statement(django_assert_num_queries: Any) -> None:
    attempt()

    with django_assert_num_queries(1):
        give_back()
    with django_assert_num_queries(0):
        give_back(at=NOON, now=NOON + timedelta(seconds=300))


@pytest.mark.django_db(transaction=True)
def test_attempts_and_returns_at_once_are_counted_exactly() -> None:
    for _ in range(20):
        attempt(limit=20)

    results = run_together(*[lambda: attempt(limit=20)] * 20, *[give_back] * 15)

    allowed = results[:20].count(True)
    assert results[20:] == [True] * 15
    assert ConnectionRateLimit.objects.get().attempts == 5 + allowed
    assert allowed <= 15


@pytest.mark.django_db
def test_used_up_is_a_client_who_is_at_every_limit() -> None:
    attempt(limit=1)
    later = NOON + timedelta(seconds=100)

    def used_up(limits: dict[int, int], now: datetime = later) -> int | None:
        return find_used_up("connect", "user:7", limits, now=now)

    assert used_up({300: 1}) == 200
    assert used_up({300: 2}) is None
    assert used_up({300: 1, 60: 1}) is None
    assert used_up({300: 1, 60: 0}) == 20
    assert used_up({}) is None
    assert used_up({300: 1}, now=NOON + timedelta(seconds=300)) is None


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_one_client_is_an_ipv4_address_or_an_ipv6_network(address: str, key: str) -> None:
    assert client_key(address) == key
