"""Both engines against servers that answer in every way HTTP/1.1 allows, and in some that it does not."""

from __future__ import annotations

import time

import pytest

from tests.aws.engines.engines import ANSWERS, FAST, KEYS, make_engine, recipients, send_all, statuses
from tests.support.rawsink import OK, RawSink, Reply, running_raw_sink, status_line
from websocket_gateway.aws.credentials import Credentials
from websocket_gateway.aws.engines.asyncio_loop import AsyncioEngine
from websocket_gateway.aws.engines.base import Limits, Status
from websocket_gateway.aws.engines.dialing import ca_bundle


@pytest.mark.parametrize(("reply", "status"), ANSWERS)
def test_any_framing_is_read_and_judged(
    sink: RawSink, engine_name: str, reply: Reply, status: Status
) -> None:
    sink.answer = lambda connection_id, number: reply
    names = [f"c{number}=" for number in range(20)]

    outcomes = send_all(make_engine(engine_name), recipients(sink.endpoint, *names), data=b"hello")

    assert sorted(outcome.recipient.connection_id for outcome in outcomes) == sorted(names)
    assert statuses(outcomes) == {status: 20}
    assert {body for _, body in sink.requests} == {b"hello"}
    if status is Status.DELIVERED:
        assert {name: len(bodies) for name, bodies in sink.received.items()} == dict.fromkeys(names, 1)


PASSING = [
    pytest.param(Reply(raw=status_line(429, "LimitExceededException")), id="429"),
    pytest.param(Reply(raw=status_line(500)), id="500"),
    pytest.param(Reply(raw=status_line(503)), id="503"),
    pytest.param(Reply(raw=status_line(504)), id="504"),
    pytest.param(Reply(raw=b"", then="close"), id="closed without an answer"),
    pytest.param(Reply(raw=b"", then="reset"), id="reset"),
    pytest.param(Reply(raw=b"HTTP/1.1 2", then="close"), id="closed in the status line"),
]


@pytest.mark.parametrize("reply", PASSING)
def test_what_passes_is_tried_again_without_holding_up_the_others(
    sink: RawSink, engine_name: str, reply: Reply
) -> None:
    sink.answer = lambda name, number: reply if name.startswith("late") and number < 2 else Reply()
    names = [f"c{number}=" for number in range(20)] + ["late1=", "late2="]

    outcomes = send_all(make_engine(engine_name), recipients(sink.endpoint, *names))

    assert statuses(outcomes) == {Status.DELIVERED: 22}
    retries = {outcome.recipient.connection_id: outcome.retries for outcome in outcomes}
    assert (retries.pop("late1="), retries.pop("late2=")) == (2, 2)
    assert set(retries.values()) == {0}


def test_hanging_requests_are_given_up_after_the_time_out_and_tried_again(
    sink: RawSink, engine_name: str
) -> None:
    sink.answer = lambda name, number: Reply(raw=b"", then="hang") if number == 0 else Reply()

    outcomes = send_all(make_engine(engine_name), recipients(sink.endpoint, "a=", "b="))

    assert statuses(outcomes) == {Status.DELIVERED: 2}
    assert [outcome.retries for outcome in outcomes] == [1, 1]


def test_a_kept_alive_connection_that_died_costs_nobody_the_message(sink: RawSink) -> None:
    sink.answer = lambda name, number: Reply(then="close")  # without announcing it
    names = [f"c{number}=" for number in range(200)]

    outcomes = send_all(make_engine("asyncio"), recipients(sink.endpoint, *names))

    assert statuses(outcomes) == {Status.DELIVERED: 200}
    assert set(sink.received) == set(names)


def test_connections_are_kept_and_bounded(sink: RawSink) -> None:
    names = [f"c{number}=" for number in range(500)]

    send_all(make_engine("asyncio"), recipients(sink.endpoint, *names))

    assert sink.accepted <= FAST.concurrency


def test_a_second_answer_that_nobody_asked_for_is_not_taken_for_the_next(sink: RawSink) -> None:
    sink.answer = lambda name, number: (
        Reply(raw=OK + status_line(410, "GoneException")) if name == "odd=" else Reply()
    )
    limits = Limits(concurrency=1, max_per_second=0, timeout_seconds=2, deadline_seconds=20)

    outcomes = send_all(
        make_engine("asyncio", limits=limits), recipients(sink.endpoint, "odd=", "b=", "c=", "d=")
    )

    assert statuses(outcomes) == {Status.DELIVERED: 4}


def test_fifty_refusals_in_a_row_stop_the_gateway_and_no_other(sink: RawSink, engine_name: str) -> None:
    with running_raw_sink() as other:
        sink.answer = lambda name, number: Reply(raw=status_line(403, "ForbiddenException"))
        names = [f"c{number}=" for number in range(400)]
        page = [
            to
            for pair in zip(
                recipients(sink.endpoint, *names), recipients(other.endpoint, *names), strict=True
            )
            for to in pair
        ]

        outcomes = send_all(make_engine(engine_name), page)

    assert statuses(outcomes) == {Status.FAILED: 400, Status.DELIVERED: 400}
    # Those under way when it became clear were still answered.
    assert 50 <= len(sink.requests) <= 50 + 2 * 32
    given_up = [outcome for outcome in outcomes if "refusals in a row" in outcome.reason]
    assert len(given_up) >= 300
    assert "check the IAM policy" in given_up[0].reason


def test_refusals_with_something_else_between_them_stop_nothing(sink: RawSink, engine_name: str) -> None:
    sink.answer = lambda name, number: (
        Reply() if int(name[1:-1]) % 10 == 0 else Reply(raw=status_line(403, "ForbiddenException"))
    )
    names = [f"c{number}=" for number in range(300)]

    outcomes = send_all(make_engine(engine_name), recipients(sink.endpoint, *names))

    assert statuses(outcomes) == {Status.FAILED: 270, Status.DELIVERED: 30}
    assert len(sink.requests) == 300


def test_a_gateway_that_never_answers_does_not_hold_up_another(engine_name: str) -> None:
    with running_raw_sink() as dead, running_raw_sink() as alive:
        dead.answer = lambda name, number: Reply(raw=b"", then="hang")
        limits = Limits(concurrency=8, max_per_second=0, timeout_seconds=1, deadline_seconds=30)
        names = [f"c{number}=" for number in range(100)]
        page = recipients(dead.endpoint, *names) + recipients(alive.endpoint, *names)
        engine = make_engine(engine_name, limits=limits)
        finished: dict[str, float] = {}

        started = time.monotonic()
        outcomes = []
        try:
            for outcome in (*engine.send(page, b"{}"), *engine.drain()):
                outcomes.append(outcome)
        finally:
            outcomes.extend(engine.stop())
        finished["all"] = time.monotonic() - started

    assert statuses(outcomes) == {Status.FAILED: 100, Status.DELIVERED: 100}
    assert {o.reason for o in outcomes if o.status is Status.FAILED} == {
        f"no answer from {dead.endpoint.url}"
    }
    # Given up as a whole after four attempts for one: not a hundred times four seconds.
    assert finished["all"] < 60
    assert len(dead.requests) < 100


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_is_no_connection_id_fails_alone(sink: RawSink, name: str) -> None:
    outcomes = send_all(make_engine("asyncio"), recipients(sink.endpoint, "a=", name, "b="))

    assert statuses(outcomes) == {Status.DELIVERED: 2, Status.FAILED: 1}


def test_stopping_in_the_middle_tells_of_all_that_was_begun(sink: RawSink, engine_name: str) -> None:
    sink.answer = lambda name, number: Reply(delay_seconds=0.05)
    engine = make_engine(engine_name)
    page = recipients(sink.endpoint, *(f"c{number}=" for number in range(400)))

    outcomes = []
    iterator = (outcome for step in (engine.send(page, b"{}"), engine.drain()) for outcome in step)
    for outcome in iterator:
        outcomes.append(outcome)
        if len(outcomes) == 5:
            break
    outcomes.extend(engine.stop())

    assert 5 <= len(outcomes) < 400
    assert statuses(outcomes) == {Status.DELIVERED: len(outcomes)}
    assert {o.recipient.connection_id for o in outcomes} == set(sink.received)


def test_stopping_tells_of_those_who_wait_for_another_attempt(sink: RawSink, engine_name: str) -> None:
    failing = Reply(raw=status_line(429, "LimitExceededException"))
    sink.answer = lambda name, number: failing if name.startswith("late") else Reply()
    engine = make_engine(engine_name)
    page = recipients(sink.endpoint, *(f"late{number}=" for number in range(20)), "on-time=")

    outcomes = []
    for outcome in (outcome for step in (engine.send(page, b"{}"), engine.drain()) for outcome in step):
        outcomes.append(outcome)
        break
    outcomes.extend(engine.stop())

    assert statuses(outcomes) == {Status.DELIVERED: 1, Status.FAILED: 20}
    assert {outcome.recipient.connection_id for outcome in outcomes} == {to.connection_id for to in page}


def test_credentials_are_asked_for_every_page(sink: RawSink) -> None:
    keys = iter([KEYS, Credentials("AKID2", "other", "token2")])
    engine = AsyncioEngine(limits=FAST, ca_bundle=ca_bundle(), credentials=lambda: next(keys))

    send_all(engine, recipients(sink.endpoint, "a="), recipients(sink.endpoint, "b="))

    heads = {body: head for head, body in sink.requests}
    assert len(sink.requests) == 2
    by_id = {head.split(" ")[1].rpartition("/")[2]: head for head, _ in sink.requests}
    assert "Credential=AKID/" in by_id["a%3D"] or "Credential=AKID2/" in by_id["a%3D"]
    assert "Credential=AKID2/" in by_id["b%3D"]
    assert "X-Amz-Security-Token: token2" in by_id["b%3D"]
    assert heads


@pytest.mark.parametrize("rate", [100, 1000])
def test_the_pace_is_kept(sink: RawSink, engine_name: str, rate: int) -> None:
    limits = Limits(concurrency=16, max_per_second=rate, timeout_seconds=5, deadline_seconds=60)
    names = [f"c{number}=" for number in range(rate // 2)]

    started = time.monotonic()
    outcomes = send_all(make_engine(engine_name, limits=limits), recipients(sink.endpoint, *names))
    seconds = time.monotonic() - started

    assert statuses(outcomes) == {Status.DELIVERED: rate // 2}
    # The burst at the beginning is what 0.05 s allow.
    assert seconds >= 0.44


def test_the_pace_can_be_changed_in_between(sink: RawSink, engine_name: str) -> None:
    limits = Limits(concurrency=4, max_per_second=5, timeout_seconds=5, deadline_seconds=60)
    engine = make_engine(engine_name, limits=limits)
    engine.set_pace(0)

    started = time.monotonic()
    outcomes = send_all(engine, recipients(sink.endpoint, *(f"c{number}=" for number in range(100))))

    assert statuses(outcomes) == {Status.DELIVERED: 100}
    assert time.monotonic() - started < 15
