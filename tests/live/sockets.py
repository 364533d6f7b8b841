"""The data plane: real sockets through the target to a recording backend, and what was not known of AWS."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live.targets import IDLE_SECONDS, Target
from tests.live.values import PREFIX, Bench, bench_on
from tests.local.backend import Backend, Received, Reply

STAGE = "live"
_MAPPED = {PREFIX + "wsId": "context.connectionId", PREFIX + "wsEvent": "context.eventType"}
_TIMEOUT = 20.0


@dataclass
class Line:
    """An API that leads to the backend, deployed."""

    bench: Bench
    backend: Backend
    url: str
    """Where the backend is reached from API Gateway."""
    integrations: dict[str, str] = field(default_factory=dict)

    def build(self) -> None:
        """Make the three routes, the last one two-way, and deploy them."""
        for key in ("$connect", "$disconnect", "$default"):
            made = self.bench.add_integration(
                IntegrationUri=f"{self.url}/{key.removeprefix('$')}",
                RequestParameters=_MAPPED,
                TimeoutInMillis=2_000,
            )
            self.integrations[key] = made
            selection = {"RouteResponseSelectionExpression": "$default"} if key == "$default" else {}
            route = self.bench.aws.create_route(
                ApiId=self.bench.api_id, RouteKey=key, Target=f"integrations/{made}", **selection
            )
            if selection:
                self.bench.aws.create_route_response(
                    ApiId=self.bench.api_id, RouteId=route["RouteId"], RouteResponseKey="$default"
                )
        self.bench.add_stage(STAGE)
        self.deploy()

    def deploy(self) -> None:
        """Deploy, and wait until it is DEPLOYED."""
        apis = self.bench.apis
        made = apis.create_deployment(self.bench.api_id, stage_name=STAGE, description="live")
        for _ in range(60):
            found = apis.find_deployment(self.bench.api_id, made.deployment_id)
            if found is not None and found.status != "PENDING":
                break
            apis.sleep(1.0)

    @contextmanager
    def open(self, **options: Any) -> Iterator[ClientConnection]:
        """An open socket, after an earlier one has been forgotten."""
        self.backend.requests.clear()
        endpoint = self.bench.aws.get_api(ApiId=self.bench.api_id)["ApiEndpoint"]
        defaults = {"compression": None, "proxy": None, "close_timeout": 5, "open_timeout": _TIMEOUT}
        with connect(f"{endpoint}/{STAGE}", **{**defaults, **options}) as opened:
            yield opened

    @contextmanager
    def answering(self, answer: Callable[[Received], Reply]) -> Iterator[None]:
        """Let the backend answer messages like this; it accepts everything else."""
        before = self.backend.answer
        self.backend.answer = lambda request: answer(request) if request.body else Reply()
        try:
            yield
        finally:
            self.backend.answer = before

    def seen(self, event: str) -> Received:
        """The latest request for that event."""
        return self.backend.wait_for(f"/{event}", timeout=_TIMEOUT)[-1]

    def post(self, data: bytes) -> str:
        """`done`, or status and code with which `@connections` refuses a post to the open socket."""
        endpoint = self.bench.aws.get_api(ApiId=self.bench.api_id)["ApiEndpoint"]
        url = f"{endpoint.replace('ws', 'http', 1)}/{STAGE}"
        management = self.bench.target.client("apigatewaymanagementapi", url)
        try:
            management.post_to_connection(ConnectionId=self.seen("connect").header("wsId"), Data=data)
        except ClientError as exc:
            answer = exc.response
            return f"{answer['ResponseMetadata']['HTTPStatusCode']} {answer['Error']['Code']}"
        return "done"


@contextmanager
def line_on(target: Target) -> Iterator[Line]:
    """The API and the backend of the data plane."""
    port = target.choices.port if target.name == "aws" else 0
    backend = Backend(listener=socket.create_server(("127.0.0.1", port), backlog=64))
    backend.start()
    try:
        with bench_on(target) as bench:
            line = Line(bench, backend, target.choices.public_url or backend.url)
            line.build()
            yield line
    finally:
        backend.stop()


def _user_agent(line: Line) -> str:
    with line.open(user_agent_header="live suite"):
        agent = line.seen("connect").header("User-Agent")
    return "the client's" if agent == "live suite" else "API Gateway's" if "Amazon" in agent else "another"


def _content_type(line: Line) -> str:
    with line.open() as opened:
        opened.send("no JSON")
        headers = dict(line.seen("default").headers)
    return {name.lower(): value for name, value in headers.items()}.get("content-type", "none")


def _twins(line: Line) -> str:
    with line.open(additional_headers={"WSID": "forged"}):
        values = [value for name, value in line.seen("connect").headers if name.lower() == "wsid"]
    return "replaced" if "forged" not in ",".join(values) else f"sent too ({len(values)} headers)"


def _two_way_error(line: Line) -> str:
    with line.answering(lambda request: Reply(status=500, body=b"oops")), line.open() as opened:
        opened.send("x")
        return _frame(opened)


def _frame(opened: ClientConnection) -> str:
    try:
        text = str(opened.recv(timeout=10))
    except TimeoutError:
        return "no frame"
    try:
        frame = json.loads(text)
    except ValueError:
        return f"the body: {text}"
    return f"{frame.get('message')!r} with {', '.join(sorted(set(frame) - {'message'})) or 'nothing else'}"


def _disconnect_status(line: Line) -> str:
    mapped = {**_MAPPED, PREFIX + "wsStatus": "context.disconnectStatusCode"}
    try:
        line.bench.aws.update_integration(
            ApiId=line.bench.api_id,
            IntegrationId=line.integrations["$disconnect"],
            RequestParameters=mapped,
        )
    except ClientError as exc:
        return f"refused: {exc.response['Error']['Code']}"
    line.deploy()
    with line.open() as opened:
        line.seen("connect")
        opened.close(4001, "by the suite")
    values = [value for name, value in line.seen("disconnect").headers if name.lower() == "wsstatus"]
    return f"mapped: {values[0]}" if values and values[0] else "absent"


def _ping(line: Line) -> str:
    """Ping more often than the idle time-out."""
    idle = 600.0 if line.bench.target.name == "aws" else IDLE_SECONDS
    with line.open(ping_interval=None) as opened:
        line.seen("connect")
        for _ in range(4):
            line.bench.apis.sleep(idle / 3)
            try:
                opened.ping()
            except ConnectionClosed:
                break
        try:
            opened.recv(timeout=1)
        except ConnectionClosed as exc:
            return f"ignored; closed with {exc.rcvd.code if exc.rcvd else 'no code'}"
        except TimeoutError:
            pass
    return "counts"


def _too_large(line: Line) -> str:
    with line.open():
        return line.post(b"x" * (128 * 1024 + 1))


def _largest(line: Line) -> str:
    with line.open(max_size=None) as opened:
        posted = line.post(b"x" * (128 * 1024))
        return f"{posted}, {len(opened.recv(timeout=_TIMEOUT))} characters"


def _timed_out(line: Line) -> str:
    with line.answering(lambda request: Reply(body=b"late", delay=4.0)), line.open() as opened:
        opened.send("x")
        frame = _frame(opened)
        line.seen("default")
        try:
            more = str(opened.recv(timeout=4))
        except TimeoutError:
            more = "nothing"
    return f"{frame}; the backend goes on; later {more}"


def _disabled(line: Line) -> str:
    with line.open() as opened:
        line.seen("connect")
        line.bench.aws.update_api(ApiId=line.bench.api_id, DisableExecuteApiEndpoint=True)
        line.deploy()
        posted = line.post(b"hello")
        try:
            opened.recv(timeout=2)
            heard = "heard"
        except TimeoutError:
            heard = "not heard"
        except ConnectionClosed:
            heard = "the socket was closed"
    return f"{posted}, {heard}"


CASES: dict[str, tuple[object, Callable[[Line], object]]] = {
    "1 User-Agent of $connect": ("the client's", _user_agent),
    "2 Content-Type of a text that is not JSON": ("application/json; charset=UTF-8", _content_type),
    "3 a client's header that differs from a mapped one in case only": ("replaced", _twins),
    "4 two-way, the backend answers 500": ("the body: oops", _two_way_error),
    "5 context.disconnectStatusCode": ("absent", _disconnect_status),
    "6 ping as activity": ("ignored; closed with 1001", _ping),
    "7 @connections while the endpoint is disabled": ("403 ForbiddenException, not heard", _disabled),
    "8 a post of 128 KB": ("done, 131072 characters", _largest),
    "8 a post of 128 KB and one byte": ("413 PayloadTooLargeException", _too_large),
    "9 the integration times out": (
        "'Endpoint request timed out' with connectionId, requestId; the backend goes on; later nothing",
        _timed_out,
    ),
}
SLOW = ("6 ping as activity",)
"""Ten minutes on AWS."""
