"""Run the static checks and the probes, and end within a time that is known beforehand.

Name resolution has no time-out, and a database can hang too. So the probes run in daemon threads. When
the time is over, a probe that has not answered becomes a finding, and its thread is left behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from django.core.checks import ERROR, CheckMessage, run_checks

from websocket_gateway.checks.messages import TAG, error, is_finding
from websocket_gateway.diagnostics.aws import probe_credentials, probe_plan, probe_posting
from websocket_gateway.diagnostics.callback import probe_callback
from websocket_gateway.diagnostics.database import (
    probe_configured_gateways,
    probe_database,
    probe_default_gateway,
    probe_pinned_views,
    probe_purging,
)
from websocket_gateway.diagnostics.domain import probe_certificate, probe_dns
from websocket_gateway.diagnostics.histories import probe_histories
from websocket_gateway.diagnostics.rows import check_row
from websocket_gateway.diagnostics.threads import run_calls
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.row import find_gateway

PROBING_SECONDS = 7
"""For all probes together; `check_ws_settings` promises ten for everything."""

Level = Literal["error", "warning"]
LEVELS: Final[tuple[Level, ...]] = ("error", "warning")
Probe = Callable[[], list[CheckMessage]]

_UNREADABLE = f"{TAG}.E001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that was found out about a project."""

    messages: tuple[CheckMessage, ...]

    @property
    def facts(self) -> list[str]:
        """Short texts about everything that is as it should be."""
        return [message.msg for message in self.messages if not is_finding(message)]

    @property
    def findings(self) -> list[CheckMessage]:
        """Messages about everything to correct; `obj` is the gateway that a finding is about."""
        return [message for message in self.messages if is_finding(message)]

    def count(self, level: Level) -> int:
        """The number of findings of this level."""
        return sum(level_of(finding) == level for finding in self.findings)


def level_of(finding: CheckMessage) -> Level:
    """The level of a finding, as commands print it."""
    return "error" if finding.level >= ERROR else "warning"


def diagnose(
    *,
    gateways: Sequence[str] = (),
    live: bool = False,
    deploy: bool = False,
    seconds: float = PROBING_SECONDS,
) -> Diagnosis:
    """Run the static checks, probe the database and the rows, and with `live` also AWS and the network.

    `gateways` are names; empty means all gateways. Raises `GatewayNotFoundError` for a name without a row.
    Silenced findings are left out.
    """
    messages = list(run_checks(tags=[TAG], include_deployment_checks=deploy))
    if not any(message.id == _UNREADABLE for message in messages):
        messages += _probe(gateways, live=live, seconds=seconds)
    return Diagnosis(messages=tuple(message for message in messages if not message.is_silenced()))


def _probe(names: Sequence[str], *, live: bool, seconds: float) -> Iterator[CheckMessage]:
    deadline = time.monotonic() + seconds
    read = run_calls({"database": partial(_read_database, names)}, deadline=deadline)
    if "database" not in read:
        yield _unanswered("database", seconds)
        return
    messages, gateways = read["database"]
    yield from messages
    if messages:
        return
    probes = dict(_probes(gateways, live=live))
    answers = run_calls(
        {name: partial(_guarded, name, probe) for name, probe in probes.items()}, deadline=deadline
    )
    for name in probes:
        yield from answers.get(name) or ()
    for name in probes:
        if name not in answers:
            yield _unanswered(name, seconds)


def _read_database(names: Sequence[str]) -> tuple[list[CheckMessage], list[ApiGateway]]:
    """Probe the database; without a finding, also read the gateways of these names, or all of them."""
    if messages := probe_database():
        return messages, []
    return [], [find_gateway(name) for name in names] if names else list(ApiGateway.objects.all())


def _probes(gateways: list[ApiGateway], *, live: bool) -> Iterator[tuple[str, Probe]]:
    yield "purging", probe_purging
    yield "histories", probe_histories
    yield "default gateway", probe_default_gateway
    yield "configured gateways", probe_configured_gateways
    yield "pinned views", probe_pinned_views
    for gateway in gateways:
        yield f"row of {gateway.api_name}", partial(check_row, gateway)
    if live:
        yield "credentials", probe_credentials
        for gateway in gateways:
            yield from _live_probes(gateway)


def _live_probes(gateway: ApiGateway) -> Iterator[tuple[str, Probe]]:
    name = gateway.api_name
    if gateway.is_foreign:  # only the owner in AWS is read
        yield f"plan of {name}", partial(probe_plan, gateway)
        return
    if gateway.domain_name:
        yield f"DNS of {name}", partial(probe_dns, gateway)
    if gateway.custom_domain_created:
        yield f"certificate of {name}", partial(probe_certificate, gateway)
    if gateway.api_endpoint:
        yield f"callback of {name}", partial(probe_callback, gateway)
        yield f"plan of {name}", partial(probe_plan, gateway)
        yield f"posting to {name}", partial(probe_posting, gateway)


def _guarded(name: str, probe: Probe) -> list[CheckMessage]:
    try:
        return probe()
    except Exception as exc:  # noqa: BLE001 - one broken probe must not hide the results of the others
        words = f"The probe {name} failed unexpectedly: {type(exc).__name__}: {exc}"
        return [error("E114", words, hint="This is a bug in websocket_gateway: please report it.")]


def _unanswered(name: str, seconds: float) -> CheckMessage:
    return error(
        "E115",
        f"The probe {name!r} did not answer within {seconds:g} s.",
        hint="Check network, DNS and database; --gateway NAME looks at one gateway only.",
    )
