"""When to repeat and give up: no network, and a clock that we set."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Limits, Outcome, Recipient, Status
from websocket_gateway.aws.engines.outcomes import DELIVERED, Answer, Kind
from websocket_gateway.aws.engines.retries import Attempt, EndpointQueue, Retries

ENDPOINT = ManagementEndpoint("https://abc.execute-api.eu-west-1.amazonaws.com/live", "eu-west-1")
THROTTLED = Answer(Kind.THROTTLED, "LimitExceededException")
FAILING = Answer(Kind.FAILING, "500")


def make_queue(*names: str, deadline_seconds: float = 60) -> EndpointQueue:
    limits = Limits(concurrency=8, max_per_second=0, timeout_seconds=5, deadline_seconds=deadline_seconds)
    queue = EndpointQueue(ENDPOINT, limits)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    queue.waiting.extend(Attempt(Recipient(ENDPOINT, name, now)) for name in names)
    return queue


def test_pauses_grow_and_end_at_the_deadline() -> None:
    queue = make_queue("a=", deadline_seconds=10)
    now, pauses = 1_000.0, []

    attempt = queue.begin(now)
    result = queue.settle(attempt, FAILING, now)
    while not isinstance(result, Outcome):
        pauses.append(result)
        now += result
        queue.waiting.appendleft(attempt)
        assert queue.begin(now) is attempt
        result = queue.settle(attempt, FAILING, now)

    assert now == pytest.approx(1_010)
    assert all(pause <= 0.05 * 2**number for number, pause in enumerate(pauses))
    assert (result.status, result.reason, result.retries) == (Status.FAILED, "500", len(pauses))


def test_a_throttled_recipient_waits_up_to_half_a_second_at_first() -> None:
    queue = make_queue(*(f"c{number}=" for number in range(200)))

    results = [queue.settle(queue.begin(0.0), THROTTLED, 0.0) for _ in range(200)]
    pauses = [result for result in results if isinstance(result, float)]

    assert len(pauses) == 200
    # Full jitter: all over the interval.
    assert 0 <= min(pauses) < 0.1
    assert 0.4 < max(pauses) <= 0.5


def test_what_waits_for_another_attempt_is_told_at_the_end_and_what_never_began_is_not() -> None:
    queue = make_queue("tried=", "never=")
    attempt = queue.begin(0.0)
    queue.settle(attempt, FAILING, 0.0)
    queue.waiting.append(attempt)

    outcomes = queue.stop()

    assert [(o.recipient.connection_id, o.status, o.reason) for o in outcomes] == [
        ("tried=", Status.FAILED, "500")
    ]
    assert not queue.may_begin(8)


def test_a_gateway_that_has_answered_is_not_given_up_for_a_few_silent_posts() -> None:
    queue = make_queue("a=", "b=")
    queue.settle(queue.begin(0.0), DELIVERED, 0.0)
    attempt = queue.begin(0.0)

    for _ in range(10):
        assert isinstance(queue.settle(attempt, Answer(Kind.UNANSWERED, "no answer"), 1.0), float)

    assert queue.stopped == ""


def test_delayed_attempts_are_woken_in_the_order_in_which_they_are_due() -> None:
    queue = make_queue(*(f"c{number}=" for number in range(20)))
    retries: Retries[EndpointQueue] = Retries()
    attempts = [queue.begin(0.0) for _ in range(20)]

    for attempt in attempts:
        assert retries.settle(queue, attempt, THROTTLED, 0.0) == []
    woken = []
    while (pause := retries.pause(0.0)) is not None:
        retries.wake(pause)
        woken.append(queue.waiting.popleft())
        assert not queue.waiting

    assert set(woken) == set(attempts)
    assert len(retries) == 0


def test_the_recipients_of_an_endpoint_that_was_stopped_are_given_up_and_those_of_others_stay() -> None:
    retries: Retries[EndpointQueue] = Retries()
    silent, other = make_queue("a=", "b=", "c="), make_queue("d=")
    retries.settle(other, other.begin(0.0), FAILING, 0.0)
    retries.settle(silent, silent.begin(0.0), FAILING, 0.0)
    attempt = silent.begin(100.0)

    outcomes = retries.settle(silent, attempt, Answer(Kind.UNANSWERED, "no answer"), 200.0)

    assert {o.recipient.connection_id for o in outcomes} == {"a=", "b=", "c="}
    assert len(retries) == 1
