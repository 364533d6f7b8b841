"""An HTTP proxy between a command and the local gateway that kills the command at a chosen call."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OWN_HEADERS = {"content-length", "transfer-encoding", "connection", "date", "server"}
"""Headers of an answer that the proxy writes anew."""


class Moment(Enum):
    """When, within one call, the caller dies."""

    BEFORE_EFFECT = "before its effect"
    BEFORE_REPLY = "after its effect, before the reply"
    AFTER_REPLY = "after the reply"
    LOST_REPLY = "nobody dies, but the reply is lost"


class KillingProxy:
    """Forwards every call; at call number `kill_at` (from 1) the process `victim` is killed."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.calls: list[str] = []
        self.kill_at = 0
        self.moment = Moment.BEFORE_REPLY
        self.victim = threading.Event()
        self.victim_pid = 0
        self.url = ""

    def arm(self, kill_at: int, moment: Moment) -> None:
        """Choose the call; `aim` names the victim once it runs."""
        self.calls.clear()
        self.victim.clear()
        self.kill_at, self.moment = kill_at, moment

    def aim(self, pid: int) -> None:
        """Name the process to kill."""
        self.victim_pid = pid
        self.victim.set()

    def disarm(self) -> None:
        """Let everything through."""
        self.arm(0, Moment.BEFORE_REPLY)

    def kill(self) -> None:
        """Kill the victim, as soon as it is known."""
        assert self.victim.wait(10)
        os.kill(self.victim_pid, signal.SIGKILL)


@contextmanager
def killing_proxy(upstream_port: int) -> Iterator[KillingProxy]:
    """A `KillingProxy` listening at `.url`."""
    proxy = KillingProxy(upstream_port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_call(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.calls.append(f"{self.command} {self.path.partition('?')[0]}")
            dying = len(proxy.calls) == proxy.kill_at
            self.close_connection = dying
            if dying and proxy.moment is Moment.BEFORE_EFFECT:
                proxy.kill()
                return
            upstream = http.client.HTTPConnection("127.0.0.1", proxy.upstream_port)
            headers = {name: text for name, text in self.headers.items() if name.lower() != "expect"}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            if dying and proxy.moment is Moment.LOST_REPLY:
                return
            if dying and proxy.moment is Moment.BEFORE_REPLY:
                proxy.kill()
                return
            self.send_response(answer.status)
            for name, text in answer.getheaders():
                if name.lower() not in _OWN_HEADERS:
                    self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
            if dying:
                proxy.kill()

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_call  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
