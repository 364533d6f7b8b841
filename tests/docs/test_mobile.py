"""The client of the page on mobile apps, run against real sockets that are cut and posts that go wrong."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from tests.docs.pages import blocks_of
from tests.factories import UserFactory
from tests.support.live_site import LiveSite, live_fixture  # noqa: F401 - a fixture
from websocket_gateway.channels import history
from websocket_gateway.sending import broadcast

PAGE = "mobile.md"
CHANNEL = "orders_eu"
PATIENCE = 60
GetToken = Callable[[], Awaitable[str]]

pytestmark = pytest.mark.django_db(transaction=True)


def block(holding: str) -> str:
    (text,) = (item.text for item in blocks_of(PAGE, "python") if holding in item.text)
    return text


@pytest.fixture
def client_module() -> dict[str, Any]:
    """What the block with the client defines, with shorter pauses."""
    names: dict[str, Any] = {"__name__": "mobile_client"}
    exec(block("class Follower"), names)  # noqa: S102 - our own page
    names |= {"GAP": 0.3, "LONGEST_PAUSE": 0.5}
    return names


@dataclass
class App:
    """An app on a device: what it shows, what it saved, and its network."""

    url: str
    names: dict[str, Any]
    get_token: GetToken
    since: Any = field(default_factory=lambda: {"last": 20})
    shown: list[int] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    stopped: str = ""

    @contextmanager
    def in_the_foreground(self) -> Iterator[None]:
        """Follow the channel, and go to the background at the end."""
        follower = self.names["Follower"](
            self.url,
            self.get_token,
            CHANNEL,
            lambda data: self.shown.append(data["n"]),
            self.losses.append,
            self.since,
        )
        loop = asyncio.new_event_loop()
        task: asyncio.Task[None] = loop.create_task(follower.run())
        thread = threading.Thread(target=self._follow, args=(loop, task), daemon=True)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join(PATIENCE)
            loop.close()
            self.since = follower.since

    def _follow(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        except self.names["Stopped"] as exc:
            self.stopped = str(exc)


def token_by_session(address: str, names: dict[str, Any]) -> GetToken:
    """Ask the token view as an app with cookies does."""
    browser = Client()
    browser.force_login(UserFactory.create(username="ada"))
    csrf = "a" * 32
    cookies = f"sessionid={browser.cookies['sessionid'].value}; csrftoken={csrf}"

    def post() -> str:
        headers = {"Cookie": cookies, "X-CSRFToken": csrf}
        request = urllib.request.Request(address, b"", headers, method="POST")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return str(json.load(answer)["token"])
        except urllib.error.HTTPError as exc:
            raise names["Stopped"]("login") if exc.code in (401, 403) else OSError(exc.code) from exc

    async def get_token() -> str:
        return await asyncio.to_thread(post)

    return get_token


@pytest.fixture
def app(live: LiveSite, live_server: Any, client_module: dict[str, Any], settings: Any) -> App:
    """An app of a user who has logged in, beside the project that the page shows."""
    project: dict[str, Any] = {}
    exec(block("urlpatterns"), project)  # noqa: S102
    exec(block('"CHANNELS"'), project)  # noqa: S102
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": project["urlpatterns"]})
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        **project["WEBSOCKET_GATEWAY"],
        "RATE_LIMIT_MAX_ATTEMPTS": 0,
        "TOKEN_RATE_LIMIT_PER_MINUTE": 0,
    }
    live.succeed("create_gateway", "chat", "--target", live.target)
    get_token = token_by_session(f"{live_server.url}/token/", client_module)
    return App(live.page_url, client_module, get_token)


def publish(number: int) -> None:
    broadcast({"n": number}, channel=CHANNEL)


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_shows_every_message_once_and_in_order_whatever_happens_to_the_socket(
    app: App, live: LiveSite
) -> None:
    faults = live.handle.faults
    faults.drop_posts, faults.double_posts, faults.reorder_posts = 0.1, 0.1, 0.1
    faults.defer_seconds, faults.seed = 0.2, 7
    cuts = 0

    with app.in_the_foreground():
        publish(0)
        wait(lambda: app.shown)
        for number in range(1, 300):
            publish(number)
            if number % 20 == 0:
                cuts += live.handle.cut()
            time.sleep(0.01)
        wait(lambda: len(app.shown) >= 300)

    assert app.shown == [*range(300)]
    assert app.losses == []
    assert cuts >= 3


def test_an_app_that_was_in_the_background_continues_where_it_was(app: App) -> None:
    with app.in_the_foreground():
        publish(1)
        wait(lambda: app.shown)
    for number in range(2, 131):  # more than one page of an answer
        publish(number)
    with app.in_the_foreground():
        wait(lambda: len(app.shown) >= 130)

    assert app.shown == [*range(1, 131)]
    assert app.since == history.position(CHANNEL)


def test_a_history_that_was_forgotten_is_told(app: App) -> None:
    with app.in_the_foreground():
        publish(1)
        wait(lambda: app.shown)
        history.forget(CHANNEL)
        publish(2)
        wait(lambda: len(app.shown) == 2)

    assert (app.shown, app.losses) == ([1, 2], ["epoch"])


def test_a_dead_socket_is_found_by_its_heartbeat(app: App, live: LiveSite) -> None:
    app.names |= {"HEARTBEAT": 0.2, "ANSWER": 1}

    with app.in_the_foreground():
        publish(1)
        wait(lambda: app.shown)
        (before,) = [item.id for item in live.handle.connections()]
        live.handle.faults.drop_messages = 1.0
        wait(lambda: before not in {item.id for item in live.handle.connections()})
        live.handle.faults.drop_messages = 0.0
        publish(2)
        wait(lambda: len(app.shown) == 2)

    assert app.shown == [1, 2]


def test_it_stops_when_the_channel_is_refused(app: App) -> None:
    url, names, get_token = app.url, app.names, app.get_token

    async def follow() -> None:
        await names["Follower"](url, get_token, "payroll", print, print).run()

    with pytest.raises(names["Stopped"], match="channel_denied"):
        asyncio.run(asyncio.wait_for(follow(), PATIENCE))


def test_it_stops_when_the_login_is_over(app: App, live: LiveSite) -> None:
    with app.in_the_foreground():
        publish(1)
        wait(lambda: app.shown)
        Session.objects.all().delete()
        live.handle.cut()
        wait(lambda: app.stopped)

    assert app.stopped == "login"
