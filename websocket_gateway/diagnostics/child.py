"""The child's end of `checks.probing`: runs the probes side by side and says on stdout how each goes.

One JSON object a line: `{"begin": probe}`, `{"end": probe, "facts": […], "findings": […]}`, and at the
end `{"done": true}` or `{"error": words}`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import connections

from websocket_gateway.connections.gateways import find_gateway
from websocket_gateway.diagnostics import Answer
from websocket_gateway.diagnostics.aws import probe_plan, probe_posting
from websocket_gateway.diagnostics.callback import probe_callback
from websocket_gateway.diagnostics.certificates import probe_certificate
from websocket_gateway.diagnostics.credentials import probe_credentials
from websocket_gateway.diagnostics.database import probe_database, probe_default_gateway, probe_purging
from websocket_gateway.diagnostics.domain import probe_dns
from websocket_gateway.diagnostics.findings import error
from websocket_gateway.diagnostics.probing import from_check
from websocket_gateway.diagnostics.rows import check_row
from websocket_gateway.exceptions import GatewayNotFoundError
from websocket_gateway.models import ApiGateway

Probe = Callable[[], Answer]

_SIDE_BY_SIDE = 16
_lock = threading.Lock()


def main() -> None:
    """Do what the argument asks for: `{"gateways": [names], "live": bool}`; no names: every gateway."""
    request = json.loads(sys.argv[1])
    _say(begin="database")
    answer = probe_database()
    _say_end("database", answer)
    if not answer.findings:
        try:
            names = request["gateways"]
            gateways = [find_gateway(name) for name in names] if names else list(ApiGateway.objects.all())
        except GatewayNotFoundError as exc:
            _say(error=str(exc))
            return
        _run_all(dict(_probes(gateways, live=request["live"])))
    _say(done=True)
    # A thread that still hangs in a name's resolution must not keep the process.
    os._exit(0)


def _probes(gateways: list[ApiGateway], *, live: bool) -> Iterator[tuple[str, Probe]]:
    yield "purging", probe_purging
    yield "default gateway", probe_default_gateway
    for gateway in gateways:
        yield f"row of {gateway.api_name}", partial(_probe_row, gateway)
    if live:
        yield "credentials", probe_credentials
        for gateway in gateways:
            yield from _live_probes(gateway)


def _live_probes(gateway: ApiGateway) -> Iterator[tuple[str, Probe]]:
    name = gateway.api_name
    if gateway.domain_name:
        yield f"DNS of {name}", partial(probe_dns, gateway)
    if gateway.custom_domain_created:
        yield f"certificate of {name}", partial(probe_certificate, gateway)
    if gateway.api_endpoint:
        yield f"callback of {name}", partial(probe_callback, gateway)
        yield f"plan of {name}", partial(probe_plan, gateway)
        yield f"posting to {name}", partial(probe_posting, gateway)


def _probe_row(gateway: ApiGateway) -> Answer:
    return Answer(
        findings=tuple(from_check(message, gateway=gateway.api_name) for message in check_row(gateway))
    )


def _run_all(probes: dict[str, Probe]) -> None:
    for name in probes:
        _say(begin=name)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        wait([pool.submit(_run, name, probe) for name, probe in probes.items()])


def _run(name: str, probe: Probe) -> None:
    try:
        answer = probe()
    except Exception as exc:  # noqa: BLE001 - the outermost frame of a thread: the others go on
        words = f"The probe {name} failed unexpectedly: {type(exc).__name__}: {exc}"
        answer = Answer(findings=(error("E114", words, hint="This is a fault of ours: please report it."),))
    finally:
        connections.close_all()
    _say_end(name, answer)


def _say_end(name: str, answer: Answer) -> None:
    _say(end=name, facts=list(answer.facts), findings=[asdict(finding) for finding in answer.findings])


def _say(**line: Any) -> None:
    with _lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
