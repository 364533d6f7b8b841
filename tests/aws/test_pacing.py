"""The pace of calls, and the window of posts: no network, and a clock that we set."""

from __future__ import annotations

import math
import random
import threading
import time

import pytest

from websocket_gateway.aws.pacing import Pace, Window


def test_a_burst_is_free_and_the_rest_comes_at_the_rate() -> None:
    now = 100.0
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)

    pace = Pace(8.0, burst=3, clock=lambda: now, sleep=sleep)
    for _ in range(11):
        pace.wait()

    assert [round(pause, 6) for pause in pauses] == [0.125] * 8
    assert now == 101.0


def test_who_comes_late_does_not_wait() -> None:
    now = 100.0
    pauses: list[float] = []
    pace = Pace(1.0, burst=1, clock=lambda: now, sleep=pauses.append)

    pace.wait()
    now = 200.0
    pace.wait()

    assert pauses == []


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


def test_threads_that_wait_side_by_side_share_one_pace() -> None:
    pace, made = Pace(50, burst=1), []

    def call() -> None:
        for _ in range(5):
            pace.wait()
            made.append(time.monotonic())

    began = time.monotonic()
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 20
    assert max(made) - began >= 19 / 50


def test_a_page_that_was_spent_at_once_is_waited_out() -> None:
    pace = Pace(100)

    pace.spend(1_000.0, 200)

    assert pace.pause(1_000.5) == pytest.approx(1.5, abs=0.06)
    assert pace.pause(1_002.0) == 0.0
