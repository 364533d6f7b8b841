"""Purging with `verify`: AWS is asked, in time, and others may interfere meanwhile."""

from __future__ import annotations

import threading
import time

import pytest

from tests.factories import (
    ApiGatewayFactory,
    WebSocketSessionFactory,
    WebSocketTokenFactory,
)
from tests.purging.purges import ago, connected
from tests.sink import running_sink
from tests.threads import run_together
from websocket_gateway.exceptions import AccessDeniedError
from websocket_gateway.models import (
    WebSocketSession,
)
from websocket_gateway.purging import Part, purge
from websocket_gateway.purging.report import Run
from websocket_gateway.testing.connections import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)


def test_verifying_ends_those_that_aws_calls_gone(service: FakeConnections, heard: list[str]) -> None:
    for name in ("alive", "dead", "fresh"):
        WebSocketSessionFactory.create(connection_id=name, fresh=name == "fresh")
    service.gone = {"dead", "fresh"}

    report = purge(verify=True)

    assert report.counts["sessions_verified"] == 2  # not about one within the connect grace
    assert report.counts["sessions_ended_gone"] == 1
    assert connected() == {"alive", "fresh"}
    assert heard == ["dead"]
    assert report.problems == ()


def test_verifying_asks_over_real_sockets_side_by_side_and_each_once() -> None:
    present, most, lock = 0, 0, threading.Lock()

    def come_and_go(connection_id: str) -> None:
        nonlocal present, most
        with lock:
            present += 1
            most = max(most, present)
        time.sleep(0.02)
        with lock:
            present -= 1

    with running_sink() as sink:
        sink.on_request = come_and_go
        gateway = sink.gateway()
        WebSocketSession.objects.bulk_create(
            WebSocketSessionFactory.build(api_gateway=gateway, connection_id=f"v{number}=")
            for number in range(300)
        )
        sink.answers = {f"v{number}=": 410 for number in range(0, 300, 3)}

        report = purge(only=[Part.SESSIONS], verify=True)

    assert report.counts["sessions_verified"] == 300
    assert report.counts["sessions_ended_gone"] == 100
    assert connected() == {f"v{number}=" for number in range(300) if number % 3}
    assert len(sink.requests) == 300
    assert {method for method, _path in sink.requests} == {"GET"}
    assert 2 <= most <= 16


def test_only_a_clear_answer_ends_a_session(service: FakeConnections) -> None:
    gateway = ApiGatewayFactory.create()
    for number in range(40):
        name = f"c{number}"
        WebSocketSessionFactory.create(connection_id=name, api_gateway=gateway)
        service.failures[name] = AccessDeniedError("denied", code="AccessDeniedException", status=403)

    report = purge(verify=True)

    assert report.counts["sessions_verified"] == 0
    assert len(connected()) == 40
    assert "check the IAM policy" in report.problems[0]
    assert sum(int(problem.split()[0]) for problem in report.problems) == 40
    assert any("was given up" in problem for problem in report.problems)


def test_sessions_of_a_gateway_that_cannot_be_asked_are_reported(service: FakeConnections) -> None:
    planned = ApiGatewayFactory.create(planned=True, api_name="later")
    WebSocketSessionFactory.create(api_gateway=planned)
    WebSocketSessionFactory.create(connection_id="dead")
    service.gone = {"dead"}

    report = purge(verify=True)

    assert report.counts["sessions_ended_gone"] == 1
    assert report.problems == (
        "1 session not verified: Gateway 'later' does not exist in AWS yet. "
        "Run `manage.py create_gateway later`.",
    )


def test_a_run_out_of_time_says_so_and_the_next_one_goes_on() -> None:
    WebSocketTokenFactory.create(expired=True)

    stopped = purge(max_seconds=0)
    finished = purge(max_seconds=60)

    assert not stopped.complete
    assert stopped.counts["tokens_deleted"] == 0
    assert finished.complete
    assert finished.counts["tokens_deleted"] == 1


def test_every_deed_gets_its_share_of_the_time() -> None:
    now = 0.0
    run = Run(max_seconds=80, clock=lambda: now)

    class Waiting:
        part, name = Part.TOKENS, "anything"

        def count(self) -> int:
            return 0

        def do(self, run: Run) -> None:
            pass

    run.begin(Waiting(), operations_left=8)
    now = 9.0
    assert not run.is_over()
    now = 10.0
    assert run.is_over()
    run.begin(Waiting(), operations_left=7)
    now = 19.9
    assert not run.is_over()


def test_purges_that_overlap_do_the_work_once(service: FakeConnections) -> None:
    gateway = ApiGatewayFactory.create()
    rows = [
        WebSocketSessionFactory.build(api_gateway=gateway, connection_id=f"e{number}", connected=False)
        for number in range(600)
    ]
    for row in rows:
        row.disconnected_on = ago(days=9)
    WebSocketSession.objects.bulk_create(rows)
    WebSocketSessionFactory.create(connection_id="keep", api_gateway=gateway)

    reports = run_together(purge, purge, purge)

    assert sum(report.counts["sessions_deleted"] for report in reports) == 600
    assert connected() == {"keep"}
    assert WebSocketSession.objects.count() == 1
