"""WebKitGTK's MiniBrowser, by WebDriver (https://www.w3.org/TR/webdriver2/), on a screen that nobody sees."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from tests.end_to_end.drivers.interface import PATIENCE, Driver, DriverError, Profile, Tab

PROGRAM = os.environ.get("WEBSOCKET_GATEWAY_TEST_WEBKIT") or "/usr/bin/WebKitWebDriver"
# Without a name of its own, which would hide one of the page's.
SCRIPT = """({}).then(
  (value) => arguments[arguments.length - 1]({{ value }}),
  (error) => arguments[arguments.length - 1]({{ error: String(error) }}),
);"""


class WebKitTab(Tab):
    """A window of the session, which has one that commands go to."""

    def __init__(self, profile: WebKitProfile, handle: str) -> None:
        self.profile, self.handle = profile, handle

    def ask(self, method: str, path: str, **body: Any) -> Any:
        self.profile.ask("POST", "/window", handle=self.handle)
        return self.profile.ask(method, path, **body)

    def go(self, url: str) -> None:
        self.ask("POST", "/url", url=url)

    def close(self) -> None:
        self.ask("DELETE", "/window")

    def run(self, script: str) -> Any:
        done = self.ask("POST", "/execute/async", script=SCRIPT.format(script), args=[])
        if "error" in done:
            raise DriverError(done["error"])
        return done["value"]


class WebKitProfile(Profile):
    """A MiniBrowser of its own, since a session is all that tells cookies apart."""

    def __init__(self, stack: ExitStack, environment: dict[str, str]) -> None:
        self.stack = stack
        self.url = f"http://127.0.0.1:{(port := find_free_port())}"
        process = subprocess.Popen(
            [PROGRAM, "-p", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        stack.callback(end, process)
        self.wait_until_ready()
        session = self.ask("POST", "/session", capabilities={})
        self.version = session["capabilities"]["browserVersion"]
        self.url += f"/session/{session['sessionId']}"
        stack.callback(self.quit)
        self.first = self.ask("GET", "/window")

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError):
                self.ask("GET", "/status")
                return
            time.sleep(0.02)
        raise RuntimeError(f"{PROGRAM} does not listen.")

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """The value that a command answers."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=json.dumps(body).encode() if method == "POST" else None,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as exc:
            with exc:
                value = json.load(exc)["value"]
            raise DriverError(f"{path}: {value['error']}: {value['message']}") from None

    def open(self, url: str) -> Tab:
        self.ask("POST", "/window", handle=self.first)  # the one before may have been closed
        tab = WebKitTab(self, self.ask("POST", "/window/new", type="tab")["handle"])
        tab.go(url)
        return tab

    def quit(self) -> None:
        with suppress(DriverError, OSError):
            self.ask("DELETE", "")

    def close(self) -> None:
        self.stack.close()


class WebKit(Driver):
    """As many MiniBrowsers as there are people."""

    name = "webkit"

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        first = self.profile()
        self.version = first.version
        first.close()

    def profile(self) -> WebKitProfile:
        with ExitStack() as stack:
            profile = WebKitProfile(stack, self.environment)
            profile.stack = stack.pop_all()
        return profile


def find_free_port() -> int:
    """The driver takes a number only, and says nothing of one that it chose."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """With the processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


@contextmanager
def start() -> Iterator[Driver]:
    """It has a home and a screen of its own."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as screen,
    ):
        assert screen.stdout is not None
        try:
            yield WebKit(
                {
                    **os.environ,
                    "DISPLAY": f":{screen.stdout.readline().strip()}",
                    "HOME": home,
                    "XDG_RUNTIME_DIR": home,
                    "LIBGL_ALWAYS_SOFTWARE": "1",
                    # Its own sandbox needs privileges that containers do not have.
                    "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
                }
            )
        finally:
            screen.terminate()
