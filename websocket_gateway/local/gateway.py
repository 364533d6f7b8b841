"""A running local gateway: bind the port, serve in a background thread, stop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from types import TracebackType

from websocket_gateway.local.connections import Registry
from websocket_gateway.local.control import ControlPlane
from websocket_gateway.local.dataplane import DataPlane
from websocket_gateway.local.errors import LocalGatewayError
from websocket_gateway.local.forwarding import Forwarder
from websocket_gateway.local.integration import Integrations, Recorder
from websocket_gateway.local.management import ManagementApi
from websocket_gateway.local.options import Faults, GatewayOptions
from websocket_gateway.local.server import GatewayServer, build_application, repeat
from websocket_gateway.local.state import StateLock, check_state_path, load_state, save_state
from websocket_gateway.local.store import Store

START_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo:
    """An open socket, for tests."""

    id: str
    api_id: str
    stage: str
    source_ip: str
    user_agent: str


class LocalGateway:
    """API Gateway on one port, in a background thread. A context manager; or call `start` and `stop`."""

    def __init__(
        self, options: GatewayOptions, *, faults: Faults | None = None, recorder: Recorder | None = None
    ) -> None:
        self.faults = faults if faults is not None else Faults()
        self.store = Store(
            deployment_seconds=options.deployment_seconds,
            deployment_fails=options.deployment_fails,
            page_size=options.page_size,
            empty_stage_description=options.quirks.empty_stage_description,
        )
        self._lock = StateLock(options.state) if options.state is not None else None
        try:
            self._load(options)
            self._listener = _bind(options)
        except LocalGatewayError:
            self._release()
            raise
        self.options = replace(options, port=self._listener.getsockname()[1])
        self._registry = Registry()
        self._recorder = recorder
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_requested: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="local-gateway", daemon=True)

    @property
    def port(self) -> int:
        """The port on which the gateway listens."""
        return self.options.port

    @property
    def endpoint_url(self) -> str:
        """The value for the setting `ENDPOINT_URL`."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self.port}"

    def connections(self) -> tuple[ConnectionInfo, ...]:
        """Return the open sockets."""
        return tuple(
            ConnectionInfo(
                id=connection.id,
                api_id=connection.api_id,
                stage=connection.stage,
                source_ip=connection.source_ip,
                user_agent=connection.user_agent,
            )
            for connection in self._registry
            if connection.state == "open"
        )

    def cut(self, connection_ids: Collection[str] | None = None) -> int:
        """Cut open sockets (all by default) as a broken network does. Return their number."""
        cut = [
            connection
            for connection in self._registry
            if connection.state == "open" and (connection_ids is None or connection.id in connection_ids)
        ]
        for connection in cut:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(connection.abort)
        return len(cut)

    def start(self) -> None:
        """Start serving. Return as soon as connections are accepted."""
        self._thread.start()
        self._ready.wait(START_TIMEOUT_SECONDS)
        if self._failure is not None or not self._ready.is_set():
            self._listener.close()
            self._release()
            raise LocalGatewayError(f"The local gateway did not start: {self._failure}")

    def stop(self) -> None:
        """Close every socket, send the `$disconnect` events, end the thread."""
        if self._loop is not None and self._stop_requested is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop_requested.set)
        if self._thread.ident is not None:
            self._thread.join()
        self._listener.close()
        self._release()

    def __enter__(self) -> LocalGateway:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def failed(self) -> BaseException | None:
        """The exception that ended the gateway, if any did."""
        return self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as exc:  # noqa: BLE001 - the outermost frame of the thread; `start` reports it
            self._failure = exc
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        options, store, faults = self.options, self.store, self.faults
        self._loop = asyncio.get_running_loop()
        self._stop_requested = asyncio.Event()
        forwarder = Forwarder(keep_alive=options.keep_alive, serialize=options.serialize)
        integrations = Integrations(forwarder, options.quirks, self._recorder)
        data = DataPlane(store, self._registry, integrations, options=options, faults=faults)
        control = ControlPlane(
            store,
            faults=faults,
            endpoint=lambda api_id: f"{self.endpoint_url.replace('http', 'ws', 1)}/_api/{api_id}",
            save=self._save,
            verify_secret=options.verify_secret,
        )
        management = ManagementApi(store, self._registry, options=options, faults=faults)

        async def sweep() -> None:
            forwarder.sweep()
            await data.sweep()

        server = GatewayServer(build_application(control, data, management), ready=self._ready.set)
        sweeping = asyncio.create_task(
            repeat(sweep, min(1.0, options.idle_timeout / 10, options.max_duration / 10))
        )
        stopping = asyncio.create_task(_stop_when(self._stop_requested, data, server))
        try:
            await server.serve(sockets=[self._listener])
        finally:
            sweeping.cancel()
            stopping.cancel()
            forwarder.close()

    def _load(self, options: GatewayOptions) -> None:
        if options.state is None or self._lock is None:
            return
        check_state_path(options.state)
        try:
            self._lock.acquire()
        except BlockingIOError as exc:
            raise LocalGatewayError(str(exc)) from None
        load_state(self.store, options.state)

    def _save(self) -> None:
        if self.options.state is not None and self._lock is not None:
            self._lock.acquire()
            save_state(self.store, self.options.state)
            self._lock.acquire()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()


async def _stop_when(requested: asyncio.Event, data: DataPlane, server: GatewayServer) -> None:
    await requested.wait()
    await data.stop()
    server.request_stop()


def _bind(options: GatewayOptions) -> socket.socket:
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol, asyncio does not recognise TCP and leaves Nagle's algorithm on: 40 ms per call.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, options.port))
    except OSError as exc:
        listener.close()
        raise LocalGatewayError(
            f"Port {options.port} on {options.host} cannot be used: {exc.strerror}. "
            'Choose another one with --port, and set WEBSOCKET_GATEWAY["ENDPOINT_URL"] to it.'
        ) from exc
    return listener
