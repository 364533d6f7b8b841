"""Calls side by side stay under the account's rate."""

from __future__ import annotations

from websocket_gateway.aws.pacing import Pacer


def test_a_burst_is_free_and_the_rest_comes_at_the_rate() -> None:
    now = 100.0
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)

    pacer = Pacer(burst=3, per_second=8.0, clock=lambda: now, sleep=sleep)
    for _ in range(11):
        pacer.wait()

    assert [round(pause, 6) for pause in pauses] == [0.125] * 8
    assert now == 101.0


def test_who_comes_late_does_not_wait() -> None:
    now = 100.0
    pacer = Pacer(burst=1, per_second=1.0, clock=lambda: now, sleep=lambda seconds: None)
    pauses: list[float] = []
    pacer.sleep = pauses.append

    pacer.wait()
    now = 200.0
    pacer.wait()

    assert pauses == []
