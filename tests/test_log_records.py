"""Records with stable fields: every call, every event, threads, tasks, errors of handlers, and JSON."""

from __future__ import annotations

import ast
import asyncio
import functools
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import path
from django.utils.translation import gettext_lazy

import websocket_gateway
from tests.docs.pages import read
from tests.factories import UserFactory, WebSocketSessionFactory
from tests.sink import Sink, sink_fixture
from websocket_gateway import security_log
from websocket_gateway.log_records import (
    EVENT_FIELDS,
    EVENTS,
    FIELDS,
    EventFilter,
    JsonFormatter,
    log_fields,
)
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import create_run
from websocket_gateway.sending.worker import work_once
from websocket_gateway.testing.events import event_headers
from websocket_gateway.views import WebSocketView

__all__ = ["sink_fixture"]

PACKAGE = Path(websocket_gateway.__file__).parent
own = logging.getLogger("shop")


class LoggingView(WebSocketView):
    """Logs in every way that a handler can."""

    ALLOWED_HANDLERS = {"plain", "concurrent", "fail", "send"}  # noqa: RUF012

    def plain(self, request: Any, **kwargs: Any) -> dict[str, Any]:
        """Log in the request, and in a thread with its context."""
        own.warning("here")
        return {}

    async def concurrent(self, request: Any, **kwargs: Any) -> dict[str, Any]:
        """Log in a task, and in a thread that a task uses."""

        async def task() -> None:
            own.warning("task")

        await asyncio.gather(task(), sync_to_async(own.warning, thread_sensitive=False)("thread"))
        return {}

    def fail(self, request: Any, **kwargs: Any) -> None:
        """Raise."""
        raise RuntimeError("a fault of the project")

    def send(self, request: Any, **kwargs: Any) -> dict[str, Any]:
        """Send to recipients that refuse."""
        self.websocket_session.send_message({})
        return {}


urlpatterns = [path("ws/<str:route>", LoggingView.as_view())]


@functools.cache  # parsing the package takes a second, and every worker collects
def calls() -> list[tuple[str, ast.Call]]:
    """Every call of a logger in the package, with its file."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.relative_to(PACKAGE).parts[0] == "local" or file.name == "security_log.py":
            continue  # the local gateway is a program of its own
        source = file.read_text()
        for node in ast.walk(ast.parse(source)) if "logger." in source else ():
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
                and node.func.attr not in ("isEnabledFor", "addFilter")
            ):
                found.append((f"{file.name}:{node.lineno}", node))
    return found


def extra_of(call: ast.Call) -> dict[str, ast.expr]:
    for keyword in call.keywords:
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
            pairs = zip(keyword.value.keys, keyword.value.values, strict=True)
            return {str(ast.literal_eval(key)): value for key, value in pairs if key is not None}
    return {}


@pytest.mark.parametrize(("place", "call"), calls(), ids=[place for place, _ in calls()])
def test_every_record_names_its_event_and_uses_known_fields(place: str, call: ast.Call) -> None:
    extra = extra_of(call)

    assert "event" in extra, place
    assert ast.literal_eval(extra["event"]) in EVENTS
    assert set(extra) <= set(FIELDS)


def test_every_event_is_written_somewhere() -> None:
    assert {ast.literal_eval(extra_of(call)["event"]) for _, call in calls()} == EVENTS


def test_the_page_has_every_field_and_every_event_and_no_other() -> None:
    rows = [line.split("|")[1:3] for line in read("logging.md").splitlines() if line.startswith("| `")]
    names = [name.strip(" `") for cell, _ in rows for name in cell.split(",")]

    assert sorted(names) == sorted([*FIELDS, *EVENTS])


def test_the_fields_of_the_security_log_are_among_them() -> None:
    assert set(security_log.FIELDS) <= set(FIELDS)


def test_only_these_loggers_are_used() -> None:
    for file in PACKAGE.rglob("*.py"):
        if file.relative_to(PACKAGE).parts[0] != "local" and file.name != "log_records.py":
            assert "logging.getLogger(" not in file.read_text(), file


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What a handler with the formatter would write for all loggers."""
    found: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = self.format(record)
            assert "\n" not in line
            assert line.isascii()
            found.append(json.loads(line))

    handler = Keep()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield found
    root.removeHandler(handler)


def post(gateway: ApiGateway, session: WebSocketSession, name: str) -> tuple[dict[str, str], int]:
    headers = event_headers(gateway, session.connection_id, "MESSAGE", "$default")
    client = Client(raise_request_exception=False)
    response = client.post("/ws/default", json.dumps({"handler": name}), "application/json", headers=headers)
    return headers, response.status_code


@pytest.fixture
def session(sink: Sink, settings: Any) -> WebSocketSession:
    settings.ROOT_URLCONF = __name__
    user = UserFactory.create()
    found: WebSocketSession = WebSocketSessionFactory.create(
        api_gateway=sink.gateway(api_name="chat"), user=user
    )
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("handler", "loggers", "status"),
    [
        pytest.param("plain", ["shop"], 200, id="handler"),
        pytest.param("concurrent", ["shop", "shop"], 200, id="task-and-thread"),
        pytest.param("fail", ["django.request"], 500, id="error-of-a-handler"),
        pytest.param("send", ["websocket_gateway.sending"], 200, id="send-in-a-handler"),
        pytest.param("nothing", ["websocket_gateway.security", "django.request"], 400, id="refusal"),
    ],
)
def test_every_record_of_an_event_has_its_ids(
    sink: Sink,
    session: WebSocketSession,
    lines: list[dict[str, Any]],
    handler: str,
    loggers: list[str],
    status: int,
) -> None:
    sink.answers[session.connection_id] = 403

    headers, answered = post(session.api_gateway, session, handler)

    assert answered == status
    assert [line["logger"] for line in lines] == loggers
    for line in lines:
        assert line["connection_id"] == session.connection_id
        assert line["request_id"] == headers["wsRequestId"]
        assert line["gateway"] == "chat"
        assert line["route"] == "default"
    # Nothing is left for what comes after the event.
    own.warning("later")
    assert "request_id" not in lines[-1]


@pytest.mark.django_db(transaction=True)
def test_an_error_of_a_handler_has_its_traceback(
    session: WebSocketSession, lines: list[dict[str, Any]]
) -> None:
    post(session.api_gateway, session, "fail")

    assert "RuntimeError: a fault of the project" in lines[0]["exception"]


@pytest.mark.django_db(transaction=True)
def test_the_records_of_an_enqueued_broadcast_have_its_number(
    sink: Sink, session: WebSocketSession, lines: list[dict[str, Any]]
) -> None:
    run = create_run(b"{}", channel=session.channel_name)

    work_once(run.pk, on_page=lambda: own.warning("a page"))
    own.warning("later")

    assert lines[0]["run"] == run.pk
    assert "run" not in lines[-1]
    assert len(sink.received) == 1


def test_a_thread_with_a_context_of_its_own_has_none() -> None:
    record = logging.LogRecord("shop", logging.INFO, "", 0, "text", None, None)

    def write() -> None:
        EventFilter().filter(record)

    with log_fields(connection_id="abc="):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()

    assert {name: vars(record)[name] for name in EVENT_FIELDS} == dict.fromkeys(EVENT_FIELDS)


class Unprintable:
    """Raises, as the representation of a row whose database is away."""

    def __str__(self) -> str:
        raise RuntimeError("the database is away")


ITSELF: dict[str, Any] = {}
ITSELF["itself"] = ITSELF


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (gettext_lazy("Monday"), "Monday"),
        ({1}, "{1}"),
        (b"\xff", "b'\\xff'"),
        (float("nan"), "nan"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (ITSELF, "{'itself': {...}}"),
        (Unprintable(), "<Unprintable: RuntimeError>"),
    ],
    ids=["lazy", "set", "bytes", "nan", "tuple as key", "circular", "unprintable"],
)
def test_any_value_is_one_line_of_json(value: object, shown: str) -> None:
    record = logging.LogRecord("shop", logging.INFO, "", 0, gettext_lazy("Monday"), None, None)
    record.reason = value

    line = JsonFormatter().format(record)

    assert "\n" not in line
    found = json.loads(line, parse_constant=pytest.fail)
    assert (found["message"], found["reason"]) == ("Monday", shown)


def test_the_stack_of_a_record_is_shown() -> None:
    record = logging.LogRecord("shop", logging.INFO, "", 0, "text", None, None, sinfo="Stack:\n  here")

    assert json.loads(JsonFormatter().format(record))["stack"] == "Stack:\n  here"


def test_a_value_of_the_record_wins_over_that_of_the_event() -> None:
    record = logging.LogRecord("shop", logging.INFO, "", 0, "text", None, None)
    record.gateway = "other"

    with log_fields(gateway="chat", run=None):
        EventFilter().filter(record)

    assert vars(record)["gateway"] == "other"
    assert json.loads(JsonFormatter().format(record)) == {
        "time": json.loads(JsonFormatter().format(record))["time"],
        "level": "INFO",
        "logger": "shop",
        "message": "text",
        "gateway": "other",
    }
