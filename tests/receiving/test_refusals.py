"""Counts of refusals: by rule and hour, few statements however many refusals, off by default."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from websocket_gateway import security_log
from websocket_gateway.models import RefusalCount
from websocket_gateway.purging import Part, purge
from websocket_gateway.receiving import refusals

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def recording(settings: Any) -> Iterator[None]:
    settings.WEBSOCKET_GATEWAY = {"ACTIVITY_RETENTION_DAYS": 7}
    refusals.forget_refusals()
    yield
    refusals.forget_refusals()


def refuse(rule: Any, number: int = 1) -> None:
    for _ in range(number):
        security_log.write(rule, "a test")


def counted() -> dict[str, int]:
    return dict(RefusalCount.objects.values_list("rule", "number"))


def test_refusals_are_added_up_by_rule_in_one_row_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse("rate_limited", 30)
    refuse("origin_secret")
    refuse("revoked: logout")
    refuse("duplicate")
    refusals.write_refusals()
    monkeypatch.setattr(refusals._counts(), "_due", 0.0)
    refuse("rate_limited", 12)
    refusals.write_refusals()

    assert counted() == {"rate_limited": 42, "origin_secret": 1}


def test_a_flood_costs_no_statement_within_a_minute() -> None:
    refuse("rate_limited")
    refusals.write_refusals()

    refuse("rate_limited", 500)
    with CaptureQueriesContext(connection) as captured:
        refusals.write_refusals()

    assert len(captured) == 0
    assert counted() == {"rate_limited": 1}


def test_a_refused_request_is_counted_when_it_is_over(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.views.urls"

    Client().post("/ws/connect", headers={"connectionid": "a="})

    assert sum(counted().values()) == 1
    assert set(counted()) <= set(security_log.EVENTS)


def test_nothing_is_counted_by_default(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {}
    refuse("rate_limited")

    with CaptureQueriesContext(connection) as captured:
        refusals.write_refusals()

    assert len(captured) == 0


def test_a_database_that_is_away_costs_no_request_and_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OperationalError("away")

    refuse("rate_limited", 3)
    with monkeypatch.context() as broken:
        broken.setattr(refusals, "_add", fail)
        refusals.write_refusals()
    monkeypatch.setattr(refusals._counts(), "_due", 0.0)
    refusals.write_refusals()

    assert counted() == {"rate_limited": 3}


def test_counts_go_after_the_retention() -> None:
    now = timezone.now()
    RefusalCount.objects.create(hour=now - timedelta(days=8), rule="busy", number=1)
    RefusalCount.objects.create(hour=now - timedelta(days=6), rule="other", number=1)

    assert purge(only=[Part.LIMITS]).counts["refusals_deleted"] == 1
    assert counted() == {"other": 1}
