"""When to slow down, repeat and give up, and the pace: no network, and a clock that we turn."""

from __future__ import annotations

import math
import random
from datetime import datetime, timezone

import pytest

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome, Pace, Recipient, Status
from websocket_gateway.aws.engines.endpoint_queue import Attempt, Lane, Window
from websocket_gateway.aws.engines.outcomes import DELIVERED, Answer, Kind

ENDPOINT = ManagementEndpoint("https://abc.execute-api.eu-west-1.amazonaws.com/live", "eu-west-1")
THROTTLED = Answer(Kind.THROTTLED, "LimitExceededException")
FAILING = Answer(Kind.FAILING, "500")


def make_lane(*names: str, deadline_seconds: float = 60) -> Lane:
    lane = Lane(ENDPOINT, deadline_seconds=deadline_seconds)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    lane.waiting.extend(Attempt(Recipient(ENDPOINT, name, now)) for name in names)
    return lane


def feed(window: Window, *, share: float, number: int, in_flight: int = 128) -> None:
    dice = random.Random(1)
    for _ in range(number):
        window.note(throttled=dice.random() < share, in_flight=in_flight, now=0.0)


def test_a_rising_share_of_429s_slows_down_and_its_fall_speeds_up_again() -> None:
    window = Window()

    feed(window, share=0.0, number=500)
    assert window.size == math.inf
    feed(window, share=0.6, number=100)
    slowed = window.size
    assert slowed <= 64
    feed(window, share=0.0, number=5_000)
    assert window.size == math.inf


def test_a_few_clients_that_do_not_read_slow_nobody_down() -> None:
    window = Window()

    feed(window, share=0.05, number=5_000)

    assert window.size == math.inf


def test_pauses_grow_and_end_at_the_deadline() -> None:
    lane = make_lane("a=", deadline_seconds=10)
    now, pauses = 1_000.0, []

    attempt = lane.begin(now)
    result = lane.settle(attempt, FAILING, now)
    while not isinstance(result, Outcome):
        pauses.append(result)
        now += result
        lane.waiting.appendleft(attempt)
        assert lane.begin(now) is attempt
        result = lane.settle(attempt, FAILING, now)

    assert now == pytest.approx(1_010)
    assert all(pause <= 0.05 * 2**number for number, pause in enumerate(pauses))
    assert (result.status, result.reason, result.retries) == (Status.FAILED, "500", len(pauses))


def test_a_throttled_recipient_waits_up_to_half_a_second_at_first() -> None:
    lane = make_lane(*(f"c{number}=" for number in range(200)))

    results = [lane.settle(lane.begin(0.0), THROTTLED, 0.0) for _ in range(200)]
    pauses = [result for result in results if isinstance(result, float)]

    assert len(pauses) == 200
    # Full jitter: all over the interval.
    assert 0 <= min(pauses) < 0.1
    assert 0.4 < max(pauses) <= 0.5


def test_what_waits_for_another_attempt_is_told_at_the_end_and_what_never_began_is_not() -> None:
    lane = make_lane("tried=", "never=")
    attempt = lane.begin(0.0)
    lane.settle(attempt, FAILING, 0.0)
    lane.waiting.append(attempt)

    outcomes = lane.stop()

    assert [(o.recipient.connection_id, o.status, o.reason) for o in outcomes] == [
        ("tried=", Status.FAILED, "500")
    ]
    assert not lane.may_begin(8)


def test_a_gateway_that_has_answered_is_not_given_up_for_a_few_silent_posts() -> None:
    lane = make_lane("a=", "b=")
    lane.settle(lane.begin(0.0), DELIVERED, 0.0)
    attempt = lane.begin(0.0)

    for _ in range(10):
        assert isinstance(lane.settle(attempt, Answer(Kind.UNANSWERED, "no answer"), 1.0), float)

    assert lane.stopped == ""


@pytest.mark.parametrize("per_second", [1, 2_000, 20_000])
@pytest.mark.parametrize("tick", [0.0001, 0.005, 0.02])
def test_the_pace_is_exact_however_often_it_is_asked(per_second: int, tick: float) -> None:
    pace, now, taken = Pace(per_second), 1_000.0, 0

    while now < 1_010:
        while not pace.take(now):
            taken += 1
        now += tick

    # One for the first moment, and a burst of at most 0.05 s.
    assert 10 * per_second * 0.995 <= taken <= 10 * per_second + per_second * 0.05 + 2


def test_a_long_rest_saves_up_no_more_than_a_short_burst() -> None:
    pace = Pace(1_000)
    pace.take(0.0)

    taken = 0
    while not pace.take(3_600.0):
        taken += 1

    assert taken <= 51


def test_no_pace_is_no_limit() -> None:
    pace = Pace(0)

    assert not pace.limited
    assert [pace.take(1.0) for _ in range(1_000)] == [0.0] * 1_000
