"""What an attacker can do to the security log: nasty values through a real HTTP door, and floods."""

from __future__ import annotations

import io
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.threads import run_together
from websocket_gateway import security_log
from websocket_gateway.models import ApiGateway
from websocket_gateway.security_log import EVENTS, FIELDS, LOGGER, RECORDS, JSONFormatter, escape
from websocket_gateway.testing.events import DEFAULT_ORIGIN, connect_headers, event_headers

PLAIN = "%(levelname)s|" + "|".join(f"%({name})s" for name in FIELDS) + "|%(message)s"
NASTY = [
    "\r\nWARNING|refused|origin_denied|1",
    "\n",
    "\x1b[2J\x1b]0;title\x07",
    "\x00\x08\x7f",
    "\u202e\u2066txt.exe\u2069",
    "\u2028\u2029\x85\x0b\x0c",
    "\ufeff\u200b\u200d",
    "%(user_id)s %s %d {} ${jndi:ldap://127.0.0.1/a}",
    '", "rule": "forged',
    "\\n\\r",
    "x" * 20_000,
]


class Written:
    """What two handlers have written: plain lines, and JSON."""

    def __init__(self) -> None:
        self.streams = io.StringIO(), io.StringIO()

    @property
    def plain(self) -> list[str]:
        return self.streams[0].getvalue().splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.streams[1].getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    found, logger = Written(), logging.getLogger(LOGGER)
    formatters = logging.Formatter(PLAIN), JSONFormatter()
    handlers = [logging.StreamHandler(stream) for stream in found.streams]
    before = logger.level
    logger.setLevel(logging.INFO)
    for handler, formatter in zip(handlers, formatters, strict=True):
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    yield found
    for handler in handlers:
        logger.removeHandler(handler)
    logger.setLevel(before)


def post(server: Any, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request over a socket: the values of headers go out as they are, but for line breaks."""
    lines = [f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    headers = {**headers, "Connection": "close"}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((server.thread.host, server.thread.port), timeout=20) as door:
        door.sendall("\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body)
        answer = b""
        while part := door.recv(65_536):
            answer += part
    return answer


def header_value(text: str) -> str:
    """What HTTP's parser lets through in one header."""
    return text.replace("\r", "").replace("\n", "").replace("\x00", "")[:8_000]


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls("tests.views.urls")
class TestInjection:
    """Values that would begin a line, reorder one, or fill one, sent over a socket."""

    @pytest.fixture
    def gateway(self, settings: Any) -> ApiGateway:
        settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}
        settings.ALLOWED_HOSTS = ["*"]
        row: ApiGateway = ApiGatewayFactory.create()
        return row

    @pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
    def test_no_value_begins_or_reorders_a_line(
        self, value: str, gateway: ApiGateway, live_server: Any, written: Written
    ) -> None:
        session = WebSocketSessionFactory.create(api_gateway=gateway)
        header = header_value(value)
        connect = connect_headers(gateway, "c1=", origin=DEFAULT_ORIGIN)
        message = event_headers(gateway, session.connection_id, "MESSAGE", "$default")
        frame = {"_ws": {"type": "subscribe", "channel": value}}
        path = quote(value[:2_000].replace("/", ""), errors="surrogatepass")

        answers = [
            post(live_server, "/ws/connect", {**connect, "Origin": f"https://evil.example{header}"}),
            post(live_server, f"/ws/{path}", {**connect, "wsOriginSecret": "guess"}),
            post(live_server, "/ws/connect", {**connect, "connectionId": f"a{header}"}),
            post(live_server, "/ws/connect", {**connect, "X-Amzn-Apigateway-Api-Id": f"a{header}"}),
            post(live_server, "/ws/connect", {**connect, "wsEventType": f"A{header}"}),
            post(live_server, f"/ws/connect?channel={path}", connect),
            post(live_server, "/ws/default", message, json.dumps(frame).encode()),
        ]

        assert all(answer.startswith(b"HTTP/1.1 4") for answer in answers), answers
        assert len(written.plain) == len(written.records) == len(answers)
        for line, record in zip(written.plain, written.records, strict=True):
            assert line.isprintable()
            assert line.startswith(f"WARNING|{record['event']}|{record['rule']}|")
            assert len(line) < 2_500
            assert {*FIELDS, "time", "level", "logger", "message"} == record.keys()
        rules = [record["rule"] for record in written.records]
        assert rules[:2] == ["origin_denied", "origin_secret"]
        assert rules[3] == "unknown_gateway"

    def test_values_can_be_told_apart_once_escaped(self) -> None:
        values = ["a\nb", "a\\nb", "a\\\nb", "a\u202eb", "a\\u202eb"]

        assert len({escape(value) for value in values}) == len(values)
        assert all(escape(value).isprintable() for value in values)
        assert escape("Käse") == "Käse"


class TestFloods:
    """`RECORDS` of a rule in a window, and then a summary."""

    def refuse(self, number: int, rule: Any = "token: unknown") -> None:
        for _ in range(number):
            security_log.write(rule, "The token is unknown.")

    def end_window(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(security_log, "SECONDS", 0.3)

    def left_out(self, written: Written) -> list[tuple[str, int]]:
        return [
            (record["rule"], record["left_out"])
            for record in written.records
            if record["event"] == "left_out"
        ]

    def test_flood_is_a_few_records_and_one_that_says_how_many_more(
        self, written: Written, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.end_window(monkeypatch)
        self.refuse(1_000)
        assert (len(written.records), self.left_out(written)) == (RECORDS, [])

        time.sleep(0.35)
        self.refuse(1, "busy")

        assert self.left_out(written) == [("token: unknown", 1_000 - RECORDS)]
        assert [record["rule"] for record in written.records[-2:]] == ["token: unknown", "busy"]
        assert "980 more of the rule 'token: unknown'" in written.records[-2]["message"]

    def test_other_rules_are_written_during_a_flood(self, written: Written) -> None:
        self.refuse(100)
        self.refuse(1, "revoked: admin")

        assert [record["rule"] for record in written.records].count("revoked: admin") == 1

    def test_next_window_has_the_full_number_again(
        self, written: Written, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.end_window(monkeypatch)
        for _ in range(2):
            self.refuse(RECORDS + 5)
            time.sleep(0.35)
        security_log.write_left_out()

        assert len(written.records) == 2 * RECORDS + 2
        assert self.left_out(written) == [("token: unknown", 5)] * 2

    @pytest.mark.django_db
    @pytest.mark.urls("tests.views.urls")
    def test_next_request_writes_the_summary_of_an_attack_that_has_stopped(
        self, written: Written, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.end_window(monkeypatch)
        self.refuse(30)
        Client().get("/nowhere")
        assert self.left_out(written) == []

        time.sleep(0.35)
        Client().get("/nowhere")
        Client().get("/nowhere")

        assert self.left_out(written) == [("token: unknown", 10)]

    def test_end_of_the_process_writes_the_summary(self) -> None:
        program = (
            "import logging; from websocket_gateway import security_log as log\n"
            "logging.basicConfig(format='%(event)s %(rule)s %(left_out)s')\n"
            "for _ in range(33): log.write('busy', 'no database')"
        )
        ended = subprocess.run(  # noqa: S603
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
        )

        lines = ended.stderr.splitlines()
        assert lines == ["refused busy None"] * RECORDS + [f"left_out busy {33 - RECORDS}"]

    def test_nothing_is_lost_between_threads(self, written: Written) -> None:
        run_together(*[lambda: self.refuse(250)] * 8)
        security_log.write_left_out(at_once=True)

        assert len(written.records) == RECORDS + 1
        assert self.left_out(written) == [("token: unknown", 2_000 - RECORDS)]

    def test_memory_does_not_grow_with_what_attackers_choose(self, written: Written) -> None:
        for number in range(3_000):
            security_log.write(f"rule {number}", "x", origin=f"https://{number}.example")  # type: ignore[arg-type]

        assert {record["rule"] for record in written.records} == {"other"}
        assert len(security_log._windows()._windows) == 1
        for rule in EVENTS:
            self.refuse(2, rule)
        assert len(security_log._windows()._windows) == len(EVENTS)

    def test_records_that_nobody_wants_are_not_counted(self, written: Written) -> None:
        logging.getLogger(LOGGER).setLevel(logging.WARNING)
        self.refuse(100, "revoked: logout")
        security_log.write_left_out(at_once=True)

        assert written.records == []

    def test_handler_that_logs_by_itself_does_not_hang(self, written: Written) -> None:
        class Echo(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if vars(record)["rule"] == "busy":
                    security_log.write("other", "from a handler")

        handler = Echo()
        logging.getLogger(LOGGER).addHandler(handler)
        try:
            thread = threading.Thread(target=self.refuse, args=(1, "busy"), daemon=True)
            thread.start()
            thread.join(10)
        finally:
            logging.getLogger(LOGGER).removeHandler(handler)

        assert not thread.is_alive()
        assert {record["rule"] for record in written.records} == {"busy", "other"}
