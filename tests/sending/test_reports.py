"""The figures, and that they stay small whatever is counted."""

from __future__ import annotations

import pytest
from django.utils import timezone

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome, Recipient, Status
from websocket_gateway.aws.engines.outcomes import reason_of
from websocket_gateway.aws.pacing import Pace
from websocket_gateway.sending import DeliveryReport, Failure
from websocket_gateway.sending.reports import Tally

ENDPOINT = ManagementEndpoint(url="https://abc.example.com/production", region="eu-west-1")


def outcome(connection_id: str, status: Status, reason: str = "", retries: int = 0) -> Outcome:
    return Outcome(Recipient(ENDPOINT, connection_id, timezone.now()), status, reason, retries)


def test_every_outcome_is_counted_once_and_the_most_frequent_reason_comes_first() -> None:
    tally = Tally(engine="test")
    for item in (
        outcome("a", Status.DELIVERED, retries=2),
        outcome("b", Status.GONE),
        outcome("c", Status.FAILED, "rare"),
        outcome("d", Status.FAILED, "often", retries=1),
        outcome("e", Status.FAILED, "often"),
    ):
        tally.add(item)

    report = tally.report()

    assert (report.delivered, report.gone, report.failed, report.retried) == (1, 1, 3, 3)
    assert report.recipients == tally.total == 5
    assert list(report.reasons.items()) == [("often", 2), ("rare", 1)]
    assert report.failures[0] == Failure("c", "rare")
    assert not report.complete


def test_reasons_and_failures_are_bounded_and_the_counts_still_add_up() -> None:
    tally = Tally(engine="test")
    for number in range(5_000):
        tally.fail(f"c{number}", f"reason {number % 100}")

    report = tally.report()

    assert report.failed == sum(report.reasons.values()) == 5_000
    assert len(report.reasons) == 21
    assert report.reasons["other reasons"] == 4_000
    assert len(report.failures) == 1_000


def test_an_empty_report_is_complete_and_a_deferred_one_is_not() -> None:
    assert DeliveryReport().complete
    assert not DeliveryReport(deferred=True).complete


def test_a_report_cannot_be_changed() -> None:
    report = Tally(engine="test").report()

    with pytest.raises(TypeError):
        report.reasons["x"] = 1  # type: ignore[index]


def test_a_pace_of_zero_is_no_limit_and_any_other_is_kept_with_a_small_burst() -> None:
    assert all(Pace(0).take(1.0) == 0 for _ in range(1_000))
    pace = Pace(100)

    assert [pace.take(10.0) for _ in range(5)] == [0.0] * 5
    taken = sum(pace.take(10.0 + step / 1000) == 0 for step in range(1_000))

    assert 98 <= taken <= 102


def test_a_mistake_of_our_own_is_a_reason_too_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert reason_of(KeyError("x"), ENDPOINT) == f"unexpected KeyError at {ENDPOINT.url}"
    assert "failed unexpectedly" in caplog.text
