"""How many modules someone reads who follows a task through the code, and which of them call each other.

Run it with `python -m tests.benchmarks.reading`; with `-v` the modules are listed. Each task is really run,
against a local gateway with one open socket, and every Python function of the package that is called is noted
with its caller. A module counts if one of its functions was called; migrations and the local gateway do not
count, and neither do the modules of `LATER`, whose subjects did not exist when the limits were taken.
A pair is two modules that call each other in both directions; each has a row in `CALLBACKS`.
"""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import override_settings, setup_databases, teardown_databases  # noqa: E402
from django.urls import get_resolver  # noqa: E402
from django.utils import timezone  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

import websocket_gateway  # noqa: E402
from websocket_gateway.models import ApiGateway, WebSocketSession  # noqa: E402
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway  # noqa: E402

REFERENCE = {
    "create_gateway": 46,
    "broadcast": 29,
    "sync_routes --check": 31,
    "purge_connections --verify": 21,
    "admin plan": 41,
}
"""The modules that were entered before there was one package for each subject: not to be exceeded."""
LATER = {
    "forking": "forked workers",
    "no_fork": "forked workers",
    "tenants": "tenants",
    "web_requests": "deadlines of web requests",
    "models.security": "installations and rotated secrets",
    "security_log": "log of refusals",
    "provisioning.planning.taken_back": "options that were taken back",
    "channels.envelopes": "channels with a history",
    "channels.history": "channels with a history",
    "channels.trimming": "channels with a history",
    "purging.histories": "channels with a history",
    "sending.posting": "channels with a history",
    "sending.publishing": "channels with a history",
    "sending.channel_streams": "statements that are compiled once",
    "compiled_queries.lookups": "statements that are compiled once",
    "compiled_queries.orm": "statements that are compiled once",
    "compiled_queries.statements": "statements that are compiled once",
    "sending.announcing": "signals about messages",
    "sending.records": "records of broadcasts",
    "log_records": "log records",
    "inboxes": "inboxes",
    "purging.cursors": "inboxes",
    "last_runs": "metrics",
    "metrics": "metrics",
    "metrics.choosing": "metrics",
    "metrics.following": "metrics",
    "provisioning.planning.records": "records in DNS",
}
"""Modules of subjects that came after the limits were taken. They are listed, and not held against them."""
CALLBACKS = {
    ("aws.apis", "aws.calls"): "a function that reads a page is given to the loop over pages",
    ("aws.clients", "forking"): "a value of the process is made by the function that it was declared with",
    ("compiled_queries.statements", "sending.channel_streams"): "it is given the function that makes a query",
    ("concurrency", "sending.channel_streams"): "the page to read is given to `reconnect_when_away`",
    ("concurrency", "sending.delivery"): "the rows to look up are given to `reconnect_when_away`",
    ("concurrency", "sending.queries"): "the page to read is given to `reconnect_when_away`",
    ("concurrency", "leases"): "the statement to repeat is given to `retry_when_busy`",
    ("concurrency", "purging.histories"): "the statement to repeat is given to `retry_when_busy`",
    ("connections.endpoints", "connections.verifying"): "the connections to look up are given as a generator",
    ("connections.endpoints", "sending.delivery"): "the connections to look up are given as a generator",
    ("sending.channel_streams", "sending.paging"): "the streams of a channel are given to its audience",
    ("leases", "tenants"): "the function that the thread runs is given to `in_thread`",
    ("management.commands.create_gateway", "provisioning.gateways"): "`confirm` is asked about the plan",
    ("provisioning.confirming", "provisioning.gateways"): "`confirm` is asked about the plan",
    ("provisioning.applying", "provisioning.gateways"): "the loop tells its plan what was applied",
    ("provisioning.steps.apis", "provisioning.steps.context"): "a table gives the function of a step",
    ("provisioning.steps.context", "provisioning.steps.stages"): "a table gives the function of a step",
}
"""Pairs that call each other although only one imports the other, and what is handed over."""
PACKAGE = "websocket_gateway."
NOT_READ = ("websocket_gateway.migrations", "websocket_gateway.testing", "websocket_gateway.local")
FOLDER = os.path.dirname(websocket_gateway.__file__)


class Calls:
    """The modules that were entered while profiling, and who called whom."""

    def __init__(self) -> None:
        self.entered: set[str] = set()
        self.edges: set[tuple[str, str]] = set()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the calls of this thread, and of those that it starts."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The modules that call each other."""
        return sorted((one, other) for one, other in self.edges if one < other and (other, one) in self.edges)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        module = _module_of(frame)
        if module is None:
            return
        self.entered.add(module)
        caller = _module_of(frame.f_back) if frame.f_back is not None else None
        if caller is not None and caller != module:
            self.edges.add((caller, module))


def _module_of(frame: FrameType) -> str | None:
    """The module of the package whose text the frame runs; generated code has none."""
    if not frame.f_code.co_filename.startswith(FOLDER) or frame.f_code.co_name == "<module>":
        return None
    name = str(frame.f_globals.get("__name__", ""))
    return None if name.startswith(NOT_READ) or not name.startswith(PACKAGE) else name.removeprefix(PACKAGE)


class Backend(BaseHTTPRequestHandler):
    """A backend that accepts every connect."""

    def do_POST(self) -> None:
        """Answer 200."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""


def main() -> int:
    """Run the tasks, print the figures, and return 1 where a limit or a pair is not as it must be."""
    _import_everything()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with (
            local_gateway() as gateway,
            override_settings(
                WEBSOCKET_GATEWAY={"ENDPOINT_URL": gateway.endpoint_url}, ROOT_URLCONF="tests.admin.site"
            ),
        ):
            return _print(measure(gateway, f"http://127.0.0.1:{server.server_port}/ws/"))
    finally:
        teardown_databases(databases, verbosity=0)
        server.shutdown()


def measure(gateway: GatewayHandle, target: str) -> dict[str, Calls]:
    """The calls of each task."""
    found = {
        "create_gateway": _noted(lambda: _command("create_gateway", "chat", "--target", target)),
        "sync_routes --check": _noted(lambda: _command("sync_routes", "--check")),
    }
    row = ApiGateway.objects.get()
    with connect(f"{gateway.endpoint_url.replace('http', 'ws')}/_api/{row.api_id}/{row.stage_name}"):
        gateway.wait_until(gateway.connections)
        (socket,) = gateway.connections()
        session = WebSocketSession.objects.create(
            connection_id=socket.id, channel_name="lobby", api_gateway=row
        )
        found["broadcast"] = _noted(lambda: _command("broadcast", "lobby", "{}"))
        session.created_on = timezone.now() - timedelta(minutes=30)
        session.save()
        found["purge_connections --verify"] = _noted(lambda: _command("purge_connections", "--verify"))
    found["admin plan"] = _noted(_press_the_button(target))
    if not ApiGateway.objects.get(api_name="news").api_created:
        raise SystemExit("The plan of the admin was not applied.")
    return found


def _press_the_button(target: str) -> Callable[[], object]:
    """What applies the plan of a new gateway, whose page has been seen."""
    row = ApiGateway.objects.create(api_name="news", target_base_endpoint=target)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    url = f"/admin/websocket_gateway/apigateway/{row.pk}/plan/"
    shown = re.search(r'name="fingerprint" value="(\w+)"', client.get(url).content.decode())
    seen = shown[1] if shown else ""
    return lambda: client.post(url, {"fingerprint": seen})


def _import_everything() -> None:
    # Before any task, because decorators and the URLs call functions of modules that no task is about.
    for module in pkgutil.walk_packages(websocket_gateway.__path__, PACKAGE):
        if not module.name.startswith(NOT_READ):
            importlib.import_module(module.name)
    with override_settings(ROOT_URLCONF="tests.admin.site"):
        list(get_resolver().url_patterns)


def _noted(task: Callable[[], object]) -> Calls:
    calls = Calls()
    with calls.noted():
        task()
    return calls


def _command(*words: str) -> None:
    call_command(*words, stdout=io.StringIO(), stderr=io.StringIO())


def _print(found: dict[str, Calls]) -> int:
    failed = False
    for name, limit in REFERENCE.items():
        calls = found[name]
        counted = calls.entered - LATER.keys()
        failed = failed or len(counted) > limit or not CALLBACKS.keys() >= set(calls.pairs)
        sys.stdout.write(
            f"{name}: {len(counted)} modules (limit: {limit}) and {len(calls.entered) - len(counted)} of "
            f"subjects that came later, {len(calls.pairs)} pairs\n"
        )
        for pair in calls.pairs:
            sys.stdout.write(f"    {' <-> '.join(pair)}: {CALLBACKS.get(pair, 'NOT A KNOWN CALLBACK')}\n")
        if "-v" in sys.argv:
            sys.stdout.write("".join(f"    {module}\n" for module in sorted(calls.entered)))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
