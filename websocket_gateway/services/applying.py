"""Carries a plan out, step by step. Every id is saved as soon as its step succeeded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any, ClassVar

from websocket_gateway.aws.apis import Apis
from websocket_gateway.exceptions import DeploymentFailedError, PlanOutdatedError
from websocket_gateway.models import ApiGateway
from websocket_gateway.planning.plans import Action, Kind, Plan, Step
from websocket_gateway.resources import Api, Deployment, Integration, Route, RouteResponse, Stage

DEPLOYMENT_TIMEOUT_SECONDS = 120.0
_DEPLOYMENT_POLL_SECONDS = (0.2, 0.4, 0.8)
"""Pauses between questions; the last one repeats."""


@dataclass(slots=True, kw_only=True)
class Applying:
    """One run of one plan: what it has learnt so far, and how each kind of step is done."""

    gateway: ApiGateway
    apis: Apis
    on_step: Callable[[Step], None]
    on_wait: Callable[[str], None]
    integrations: dict[str, str] = field(default_factory=dict)
    """Route key -> id of the integration made in this run."""
    routes: dict[str, str] = field(default_factory=dict)
    """Route key -> route id."""

    def run(self, plan: Plan) -> None:
        """Apply every step; raises the first error, with everything before it done and saved."""
        for step in plan:
            self._DEEDS[step.action, step.kind](self, step, step.resource)
            self.on_step(step)

    @property
    def _api_id(self) -> str:
        return self.gateway.api_id

    def _save(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.gateway, name, value)
        self.gateway.save(update_fields=[*values, "updated_on"])

    def _save_record(self, step: Step, resource: None) -> None:
        self.gateway.save()

    def _create_api(self, step: Step, wanted: Api) -> None:
        api = self.apis.create_api(wanted)
        self._save(api_id=api.api_id, api_endpoint=api.api_endpoint, deployment_id="", api_created=False)

    def _update_api(self, step: Step, wanted: Api) -> None:
        if _beyond_tags(step):
            self.apis.update_api(self._api_id, wanted)
        if _tags(step):
            self.apis.tag_api(self._api_id, wanted.tags)

    def _create_integration(self, step: Step, wanted: Integration) -> None:
        self.integrations[step.name] = self.apis.create_integration(self._api_id, wanted)

    def _update_integration(self, step: Step, wanted: Integration) -> None:
        observed: Any = step.observed
        self.apis.update_integration(self._api_id, wanted, stale=observed.request_parameters)

    def _create_route(self, step: Step, wanted: Route) -> None:
        self.routes[step.name] = self.apis.create_route(self._api_id, self._targeted(wanted))

    def _update_route(self, step: Step, wanted: Route) -> None:
        self.apis.update_route(self._api_id, self._targeted(wanted))

    def _targeted(self, route: Route) -> Route:
        """A planned route has no integration id where its integration is made in this run."""
        return replace(route, integration_id=route.integration_id or self.integrations[route.route_key])

    def _create_route_response(self, step: Step, wanted: RouteResponse) -> None:
        self.apis.create_route_response(self._api_id, self._route_id(step.name), wanted)

    def _delete_route_response(self, step: Step, unwanted: RouteResponse) -> None:
        self.apis.delete_route_response(self._api_id, self._route_id(step.name), unwanted.route_response_id)

    def _route_id(self, route_key: str) -> str:
        if route_key not in self.routes:
            self.routes |= {route.route_key: route.route_id for route in self.apis.list_routes(self._api_id)}
        if route_key not in self.routes:
            raise PlanOutdatedError(f"Route {route_key!r} vanished while the plan was applied.")
        return self.routes[route_key]

    def _create_stage(self, step: Step, wanted: Stage) -> None:
        self.apis.create_stage(self._api_id, wanted)

    def _update_stage(self, step: Step, wanted: Stage) -> None:
        if _beyond_tags(step):
            self.apis.update_stage(self._api_id, wanted)
        if _tags(step):
            self.apis.tag_stage(self._api_id, wanted.stage_name, wanted.tags)

    def _create_deployment(self, step: Step, wanted: Deployment) -> None:
        deployment = self.apis.create_deployment(
            self._api_id, stage_name=step.name, description=wanted.description
        )
        self._wait_until_deployed(step, deployment)

    def _wait_until_deployed(self, step: Step, deployment: Deployment) -> None:
        """There is no waiter for deployments in boto3, so this asks until the status is final."""
        deadline = time.monotonic() + DEPLOYMENT_TIMEOUT_SECONDS
        pauses = chain(_DEPLOYMENT_POLL_SECONDS, repeat(_DEPLOYMENT_POLL_SECONDS[-1]))
        found: Deployment | None = deployment
        while found is not None and found.status == "PENDING":
            if time.monotonic() > deadline:
                raise DeploymentFailedError(
                    f"Deployment {deployment.deployment_id!r} is still PENDING after "
                    f"{DEPLOYMENT_TIMEOUT_SECONDS:.0f} seconds. Run the command again to go on waiting."
                )
            self.on_wait(f"waiting until deployment {deployment.deployment_id} is DEPLOYED")
            self.apis.sleep(next(pauses))
            found = self.apis.find_deployment(self._api_id, deployment.deployment_id)
        if found is None:
            raise PlanOutdatedError(f"Deployment {deployment.deployment_id!r} vanished. Run it again.")
        if found.status != "DEPLOYED":
            raise DeploymentFailedError(
                f"AWS ended deployment {found.deployment_id!r} as {found.status}: "
                f"{found.status_message or 'no reason was given'}. What was deployed before keeps running."
            )
        self._save(deployment_id=found.deployment_id)

    _DEEDS: ClassVar[Mapping[tuple[Action, Kind], Any]] = {
        (Action.CREATE, Kind.RECORD): _save_record,
        (Action.UPDATE, Kind.RECORD): _save_record,
        (Action.CREATE, Kind.API): _create_api,
        (Action.UPDATE, Kind.API): _update_api,
        (Action.CREATE, Kind.INTEGRATION): _create_integration,
        (Action.UPDATE, Kind.INTEGRATION): _update_integration,
        (Action.CREATE, Kind.ROUTE): _create_route,
        (Action.UPDATE, Kind.ROUTE): _update_route,
        (Action.CREATE, Kind.ROUTE_RESPONSE): _create_route_response,
        (Action.DELETE, Kind.ROUTE_RESPONSE): _delete_route_response,
        (Action.CREATE, Kind.STAGE): _create_stage,
        (Action.UPDATE, Kind.STAGE): _update_stage,
        (Action.CREATE, Kind.DEPLOYMENT): _create_deployment,
        (Action.WAIT, Kind.DEPLOYMENT): _wait_until_deployed,
    }


def _tags(step: Step) -> bool:
    return any(change.attribute.startswith("tags[") for change in step.changes)


def _beyond_tags(step: Step) -> bool:
    return not all(change.attribute.startswith("tags[") for change in step.changes)
