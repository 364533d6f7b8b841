"""The context of a step: the adapters that it may use, and what earlier steps of the run have learnt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, repeat

from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.dns import Dns
from websocket_gateway.aws.domains import Domains
from websocket_gateway.leases import GatewayLease
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.custom_domain import dns_beside, domains_beside
from websocket_gateway.provisioning.plan import AnyStep, Step, T

Handler = Callable[["Context", AnyStep], None]


@dataclass(slots=True, kw_only=True)
class Context:
    """One run of one plan."""

    gateway: ApiGateway
    apis: Apis
    lease: GatewayLease
    on_wait: Callable[[str], None]
    integrations: dict[str, str] = field(default_factory=dict)
    """Route key -> id of the integration made in this run."""
    routes: dict[str, str] = field(default_factory=dict)
    """Route key -> route id."""

    @property
    def api_id(self) -> str:
        """The id of the gateway's API, as soon as there is one."""
        return self.gateway.api_id

    @property
    def domains(self) -> Domains:
        """The adapter for custom domains."""
        return domains_beside(self.apis)

    @property
    def dns(self) -> Dns:
        """The adapter for DNS."""
        return dns_beside(self.apis)

    def save(self, **values: object) -> None:
        """Keep what a step learnt in the gateway's row, at once; raises `LeaseLostError`."""
        self.lease.save(**values)

    def poll(
        self,
        found: T | None,
        look: Callable[[], T | None],
        *,
        pending: Callable[[T], bool],
        goal: str,
        pauses: tuple[float, ...],
        seconds: float,
    ) -> T | None:
        """Look again until a resource is there no more, or no longer pending; return what was seen last.

        Also returns after `seconds`, while it is still pending. The last of `pauses` repeats.
        """
        deadline = time.monotonic() + seconds
        for pause in chain(pauses, repeat(pauses[-1])):
            if found is None or not pending(found) or time.monotonic() > deadline:
                break
            self.on_wait(f"waiting until {goal}")
            self.apis.sleep(pause)
            found = look()
        return found


def on(resource_type: type[T], function: Callable[[Context, Step[T]], None]) -> Handler:
    """The handler that applies a step on a resource of that type."""

    def handle(context: Context, step: AnyStep) -> None:
        function(context, step.of(resource_type))

    return handle
