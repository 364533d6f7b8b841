"""Firefox, by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), which it speaks itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.end_to_end.drivers.interface import PATIENCE, Driver, DriverError, Profile, Tab

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

PROGRAM = os.environ.get("WEBSOCKET_GATEWAY_TEST_FIREFOX") or "/usr/bin/firefox-esr"
LISTENS = re.compile(r"WebDriver BiDi listening on (\S+)")


class Firefox(Driver):
    """A session of BiDi."""

    name = "firefox"

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ids = count()
        self.version = self.ask("session.new", capabilities={})["capabilities"]["browserVersion"]

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a command. Nothing subscribes to events, so nothing else arrives."""
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        answer: dict[str, Any] = {}
        while answer.get("id") != number:
            answer = json.loads(self.socket.recv(2 * PATIENCE))
        if answer["type"] == "error":
            raise DriverError(f"{method}: {answer['message']}")
        return answer["result"]

    def profile(self) -> Profile:
        return FirefoxProfile(self)


class FirefoxProfile(Profile):
    """What BiDi calls a user context."""

    def __init__(self, driver: Firefox) -> None:
        self.driver = driver
        self.id = driver.ask("browser.createUserContext")["userContext"]

    def open(self, url: str) -> Tab:
        found = self.driver.ask("browsingContext.create", type="tab", userContext=self.id)
        tab = FirefoxTab(self.driver, found["context"])
        tab.go(url)
        return tab

    def close(self) -> None:
        self.driver.ask("browser.removeUserContext", userContext=self.id)


class FirefoxTab(Tab):
    """What BiDi calls a browsing context."""

    def __init__(self, driver: Firefox, context: str) -> None:
        self.driver, self.id = driver, context

    def go(self, url: str) -> None:
        self.driver.ask("browsingContext.navigate", context=self.id, url=url, wait="complete")

    def close(self) -> None:
        self.driver.ask("browsingContext.close", context=self.id)

    def run(self, script: str) -> Any:
        target = {"context": self.id}
        done = self.driver.ask("script.evaluate", target=target, expression=script, awaitPromise=True)
        if done["type"] == "exception":
            raise DriverError(done["exceptionDetails"]["text"])
        return done["result"]["value"]


@contextmanager
def start() -> Iterator[Driver]:
    """It has a home of its own, without anybody's profile."""
    from websockets.sync.client import connect

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        subprocess.Popen(
            [PROGRAM, "-headless", "--no-remote", "--profile", home, "--remote-debugging-port", "0"],
            env={**os.environ, "HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        printed = ""
        try:
            while not (found := LISTENS.search(printed)):
                line = process.stderr.readline()
                if not line:
                    raise RuntimeError(f"Firefox ended: {printed}")
                printed += line
            with connect(f"{found[1]}/session", max_size=None) as socket:
                driver = Firefox(socket)
                yield driver
                driver.ask("browser.close")
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
