"""Posts that are answered with 200 and arrive twice, late or in another order, and sockets that are cut."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.local.conftest import World
from websocket_gateway.local.options import Faults


def poster(world: World) -> Callable[[str], None]:
    """A function that posts a text to the one open socket."""
    management, name = world.management(), world.connection_id()

    def post(text: str) -> None:
        management.post_to_connection(ConnectionId=name, Data=text.encode())

    return post


def take(socket: ClientConnection, number: int) -> list[str]:
    return [str(socket.recv(timeout=5)) for _ in range(number)]


def silent(socket: ClientConnection, seconds: float = 0.3) -> bool:
    with pytest.raises(TimeoutError):
        socket.recv(timeout=seconds)
    return True


def test_posts_can_be_doubled(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        post = poster(world)
        world.gateway.faults.double_posts = 0.5
        for text in "abcd":
            post(text)

        assert take(socket, 6) == ["a", "b", "b", "c", "d", "d"]
        assert silent(socket)


def test_posts_can_be_overtaken_by_the_next_one(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        post = poster(world)
        world.gateway.faults.defer_seconds = 30.0
        world.gateway.faults.reorder_posts = 0.5
        for text in "abcde":
            post(text)

        assert take(socket, 5) == ["a", "c", "b", "e", "d"]


def test_overtaken_post_arrives_when_no_other_follows(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        post = poster(world)
        world.gateway.faults.defer_seconds = 0.2
        world.gateway.faults.reorder_posts = 1.0
        post("alone")

        assert take(socket, 1) == ["alone"]


def test_posts_can_be_deferred(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        post = poster(world)
        world.gateway.faults.defer_seconds = 1.0
        world.gateway.faults.defer_posts = 0.5
        began = time.monotonic()
        for text in "abc":
            post(text)
        answered = time.monotonic() - began

        assert take(socket, 3) == ["a", "c", "b"]
        assert answered < 1.0 <= time.monotonic() - began


def test_deferred_post_of_a_socket_that_closed_is_lost(world: World) -> None:
    world.serve()

    with world.connect():
        post = poster(world)
        world.gateway.faults.defer_seconds = 0.1
        world.gateway.faults.defer_posts = 1.0
        post("too late")
    with world.connect() as socket:
        assert silent(socket)


def test_seed_draws_the_same_turns_in_every_run() -> None:
    def drawn(seed: int | None, name: str = "drop_posts", share: float = 0.25) -> list[bool]:
        faults = Faults(**{name: share}, seed=seed)  # type: ignore[arg-type]
        return [faults.occurs(name) for _ in range(2000)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert drawn(7) != drawn(7, "double_posts")  # the faults fall on different turns
    assert 400 < sum(drawn(7)) < 600
    assert sum(drawn(7, share=1.0)) == 2000
    assert drawn(7) != drawn(None)


def test_clearing_faults_clears_the_seed() -> None:
    faults = Faults(drop_posts=0.5, seed=3, defer_seconds=9.0)

    faults.clear()

    assert (faults.seed, faults.defer_seconds, faults.drop_posts) == (None, 1.0, 0.0)


def test_sockets_can_be_cut_without_a_close_frame(world: World) -> None:
    world.serve()

    with world.connect() as first:
        name = world.connection_id()
        with world.connect() as second:
            world.gateway.wait_until(lambda: len(world.gateway.connections()) == 2)
            assert world.gateway.cut([name]) == 1
            with pytest.raises(ConnectionClosed) as caught:
                first.recv(timeout=5)
            assert caught.value.rcvd is None

            world.gateway.wait_until(lambda: len(world.gateway.connections()) == 1)
            assert world.gateway.cut() == 1
            with pytest.raises(ConnectionClosed):
                second.recv(timeout=5)

    world.backend.wait_for("/disconnect", 2)
    assert world.gateway.cut() == 0
