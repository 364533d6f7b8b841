"""Carries a plan out, step by step. Every id is saved as soon as its step succeeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websocket_gateway.aws.apis import Apis
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.lease import Lease
from websocket_gateway.provisioning.plan import Plan, Step
from websocket_gateway.provisioning.planning.routes import routes_by_key
from websocket_gateway.provisioning.saving import save_fields
from websocket_gateway.provisioning.steps import deed_for
from websocket_gateway.resources import ObservedGateway


@dataclass(slots=True, kw_only=True)
class Applying:
    """One run of one plan, and what it has learnt so far; `deeds` knows how each step is done."""

    gateway: ApiGateway
    apis: Apis
    lease: Lease
    """Checked before every step."""
    on_step: Callable[[Step], None]
    on_wait: Callable[[str], None]
    integrations: dict[str, str] = field(default_factory=dict)
    """Route key -> id of the integration made in this run."""
    routes: dict[str, str] = field(default_factory=dict)
    """Route key -> route id."""

    def run(self, plan: Plan, *, observed: ObservedGateway) -> None:
        """Apply every step; raises the first error, with everything before it done and saved."""
        self.routes = {key: route.route_id for key, route in routes_by_key(observed).items()}
        for step in plan:
            self.lease.check()
            if step.structural and self.gateway.deployment_id:
                self.save(deployment_id="")  # until the end a deployment is owed, whatever happens
            deed_for(step.action, step.kind)(self, step)
            self.on_step(step)

    @property
    def api_id(self) -> str:
        """The id of the gateway's API, as soon as there is one."""
        return self.gateway.api_id

    def save(self, **values: Any) -> None:
        """Keep what a step learnt in the gateway's row, at once."""
        for name, value in values.items():
            setattr(self.gateway, name, value)
        save_fields(self.gateway, *values)
