"""Presence in a channel of 10,000 members: joins, leaves, the count and a page, beside the same without it.

Run it with `python -m tests.benchmarks.presence [MEMBERS]`; `WEBSOCKET_GATEWAY_TEST_DATABASE` selects the
database. Nothing is posted: an engine says that all has arrived. The absolute figures depend on the
machine, so each is also given as a ratio: to the same subscription in a channel without presence, and to the
same join in a channel of 10 members.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.served_settings")
django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import override_settings, setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests.benchmarks.audience import Delivered  # noqa: E402
from tests.benchmarks.results import keep  # noqa: E402
from tests.factories import ApiGatewayFactory  # noqa: E402
from websocket_gateway.channels import members, presence  # noqa: E402
from websocket_gateway.connections.ending import end  # noqa: E402
from websocket_gateway.models import (  # noqa: E402
    ApiGateway,
    Channel,
    ChannelMember,
    ChannelSubscription,
    WebSocketSession,
)
from websocket_gateway.sending import delivery  # noqa: E402
from websocket_gateway.views.presence import read_page  # noqa: E402

ROUNDS = 100
CHANNELS = {"room_*": {"PRESENCE": True}}
SMALL = 10


def main(number: int) -> int:
    """Measure, print, and answer 1 where a ratio misses its target."""
    setattr(delivery, "open_engine", lambda *args, **options: Delivered())  # noqa: B010
    databases = setup_databases(verbosity=0, interactive=False)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
    try:
        print(f"{connection.vendor}, {os.cpu_count()} processors, {number:,} members")  # noqa: T201
        with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}):
            return measure(number)
    finally:
        teardown_databases(databases, verbosity=0)


def measure(number: int) -> int:
    """Joins and leaves in both channels in turns, then what is read of the large one."""
    gateway = ApiGatewayFactory.create()
    for name, size in (("room_small", SMALL), ("room_large", number)):
        fill(gateway, name, size)
    analyze()
    took: dict[str, list[float]] = {}
    sessions = connections(gateway)
    for name in ("news", "room_small", "room_large") * 3:  # what is done once in a minute is done here
        end_timed(joined(next(sessions), name)[0])
    for _ in range(ROUNDS):
        for name in ("news", "room_small", "room_large"):
            session, seconds = joined(next(sessions), name)
            took.setdefault(f"join {name}", []).append(seconds)
            took.setdefault(f"leave {name}", []).append(end_timed(session))
    middle = {what: statistics.median(seconds) for what, seconds in took.items()}
    in_database: dict[str, list[tuple[int, float]]] = {"join": [], "leave": []}
    for _ in range(ROUNDS):
        with statements() as taken:
            session = joined(next(sessions), "room_large")[0]
        in_database["join"].append((len(taken), sum(taken)))
        with statements() as taken:
            end_timed(session)
        in_database["leave"].append((len(taken), sum(taken)))
    for what, target in (("join", "<= 5 ms"), ("leave", "")):
        tell(what, middle[f"{what} room_large"], target and f"target {target}")
        number_of, seconds = (statistics.median(column) for column in zip(*in_database[what], strict=True))
        tell("    in the database, with its commits", seconds, f"{number_of:.0f} statements")
    ratios = {}
    for what in ("join", "leave"):
        for other, words in (("news", "without presence"), ("room_small", f"of {SMALL} members")):
            tell(f"    {what} in a channel {words}", middle[f"{what} {other}"])
            ratios[what, other] = middle[f"{what} room_large"] / middle[f"{what} {other}"]
            print(f"        ratio {ratios[what, other]:.2f}")  # noqa: T201
            keep(
                f"{what} of a channel of {number:,}, to one {words}",
                f"{middle[f'{what} room_large'] * 1e3:.2f} ms to {middle[f'{what} {other}'] * 1e3:.2f} ms",
                f"{ratios[what, other]:.2f} times",
            )
    tell("count", timed(lambda: presence.count("room_large")))
    tell("first page of 100", timed(lambda: read_page("room_large", 0)))
    rows = members.present_members("room_large").order_by("pk").values_list("pk", flat=True)
    last = rows[number - 101]
    tell("last page of 100", timed(lambda: read_page("room_large", last)))
    tell("snapshot for a page", timed(lambda: presence.snapshot(["room_large"])))
    tell("sweep that finds no member", timed(lambda: members.sweep("room_large")))
    kept = ratios["join", "room_small"] <= 2 and ratios["leave", "room_small"] <= 2
    print(f"a join or leave at {number:,} to one at {SMALL}: at most 2: {kept}")  # noqa: T201
    return 0 if kept else 1


def fill(gateway: ApiGateway, name: str, number: int) -> None:
    """Members of a channel, each with a connection that has subscribed to it."""
    for start in range(0, number, 1_000):
        keys = range(start, min(start + 1_000, number))
        WebSocketSession.objects.bulk_create(
            WebSocketSession(
                connection_id=f"{name}{key:08}=", api_gateway=gateway, presence_member=f"{name}:{key}"
            )
            for key in keys
        )
        made = WebSocketSession.objects.filter(presence_member__in=[f"{name}:{key}" for key in keys])
        ChannelSubscription.objects.bulk_create(
            ChannelSubscription(session=session, channel_name=name) for session in made
        )
        ChannelMember.objects.bulk_create(
            ChannelMember(channel_name=name, member=f"{name}:{key}", info={"name": f"Member {key}"})
            for key in keys
        )
    Channel.objects.create(name=name, swept_on=timezone.now(), counted_on=timezone.now())


def analyze() -> None:
    """Let the database count its rows, as each does by itself in time."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            for model in (WebSocketSession, ChannelMember, ChannelSubscription, Channel):
                cursor.execute(f"ANALYZE TABLE {model._meta.db_table}")
                cursor.fetchall()
        else:
            cursor.execute("ANALYZE")


def connections(gateway: ApiGateway) -> Iterator[WebSocketSession]:
    """New connections of guests."""
    number = 0
    while True:
        number += 1
        yield WebSocketSession.objects.create(connection_id=f"new{number:08}=", api_gateway=gateway)


@contextmanager
def statements() -> Iterator[list[float]]:
    """How long each statement of the block takes in the database."""
    taken: list[float] = []

    def measured(execute: Callable[..., object], *arguments: object) -> object:
        begun = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            taken.append(time.perf_counter() - begun)

    with connection.execute_wrapper(measured):
        yield taken


def joined(session: WebSocketSession, name: str) -> tuple[WebSocketSession, float]:
    begun = time.perf_counter()
    session.subscribe(name)
    return session, time.perf_counter() - begun


def end_timed(session: WebSocketSession) -> float:
    begun = time.perf_counter()
    end(session, reason="client")
    return time.perf_counter() - begun


def timed(call: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def tell(what: str, seconds: float, more: str = "") -> None:
    print(f"  {what:<48}{seconds * 1e3:8.2f} ms   {more}", flush=True)  # noqa: T201
    if not what.startswith(" "):
        keep(what, f"{seconds * 1e3:.2f} ms", more)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
