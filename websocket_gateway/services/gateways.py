"""Bringing a gateway in AWS to what its row and the settings say: find the row, plan, apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from websocket_gateway.aws.apis import Apis, no_progress
from websocket_gateway.aws.endpoints import region_in, socket_url
from websocket_gateway.aws.session import resolve_region
from websocket_gateway.exceptions import (
    ConfigurationError,
    ConflictError,
    EndpointUnreachableError,
    GatewayNotFoundError,
    NotFoundError,
    PlanOutdatedError,
    ServiceError,
    WebSocketGatewayError,
)
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.planning.gateways import plan_gateway
from websocket_gateway.planning.plans import Action, Change, Kind, Plan, PlanError, Step
from websocket_gateway.resources import ObservedGateway, WantedGateway
from websocket_gateway.services.applying import Applying
from websocket_gateway.services.observing import observe_gateway
from websocket_gateway.services.wanted import unwise, wanted_gateway

_ROUNDS = 3
_PAUSE_SECONDS = 1.0
_UNCLEAR = (EndpointUnreachableError, ServiceError, ConflictError, NotFoundError, PlanOutdatedError)
"""After these nobody knows what AWS has now: a call may have worked although its answer was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioning:
    """A plan and what it was made from."""

    gateway: ApiGateway
    apis: Apis
    wanted: WantedGateway
    observed: ObservedGateway
    plan: Plan

    @property
    def socket_url(self) -> str:
        """The URL that clients connect to; empty while the API does not exist."""
        if not self.gateway.api_endpoint:
            return ""
        return socket_url(api_endpoint=self.gateway.api_endpoint, stage_name=self.gateway.stage_name)


def find_gateway(name: str | None) -> ApiGateway:
    """The row called `name`; without a name, the only one there is.

    Raises `GatewayNotFoundError` naming the rows that exist.
    """
    if name is not None:
        found = ApiGateway.objects.filter(api_name=name).first()
        if found is None:
            raise GatewayNotFoundError(f"There is no gateway {name!r}. {_known_gateways()}")
        return found
    rows = list(ApiGateway.objects.all()[:2])
    if len(rows) != 1:
        raise GatewayNotFoundError(f"Which gateway? Give its NAME. {_known_gateways()}")
    return rows[0]


def _known_gateways() -> str:
    names = list(ApiGateway.objects.values_list("api_name", flat=True)[:20])
    return f"There is: {', '.join(map(repr, names))}." if names else "There is none yet."


def prepare_gateway(name: str | None, values: Mapping[str, Any]) -> tuple[ApiGateway, tuple[Step, ...]]:
    """The row to provision with `values` set on it, unsaved, and the step that will save it.

    Without a row of that name one is built from `values`. Raises `GatewayNotFoundError` if there is
    neither a row nor enough to build one, `ConfigurationError` if a value is invalid.
    """
    try:
        gateway = find_gateway(name)
    except GatewayNotFoundError as exc:
        if name is None or not values.get("target_base_endpoint"):
            advice = "To create one, give a NAME and --target https://www.example.com/ws/"
            raise GatewayNotFoundError(f"{exc} {advice}") from exc
        gateway = ApiGateway(api_name=name)
    before = {field: getattr(gateway, field) for field in values}
    for field, value in values.items():
        setattr(gateway, field, value)
    _add_slash(gateway)
    _validate(gateway)
    return gateway, _record_steps(gateway, before)


def _add_slash(gateway: ApiGateway) -> None:
    if not gateway.target_base_endpoint.endswith("/"):
        gateway.target_base_endpoint += "/"


def _validate(gateway: ApiGateway) -> None:
    try:
        gateway.full_clean(validate_unique=False)
    except ValidationError as exc:
        problems = "; ".join(f"{field}: {' '.join(messages)}" for field, messages in exc.message_dict.items())
        raise ConfigurationError(f"Gateway {gateway.api_name!r} is not valid. {problems}") from exc


def _record_steps(gateway: ApiGateway, before: Mapping[str, Any]) -> tuple[Step, ...]:
    changes = tuple(
        Change(attribute=field, before=None if gateway._state.adding else old, after=getattr(gateway, field))
        for field, old in before.items()
        if gateway._state.adding or old != getattr(gateway, field)
    )
    if not gateway._state.adding and not changes:
        return ()
    return (
        Step(
            action=Action.CREATE if gateway._state.adding else Action.UPDATE,
            kind=Kind.RECORD,
            name=gateway.api_name,
            reason="missing in the database" if gateway._state.adding else "options were given",
            changes=changes,
        ),
    )


def plan_provisioning(
    gateway: ApiGateway,
    *,
    record: tuple[Step, ...] = (),
    recreate: bool = False,
    on_wait: Callable[[str], None] = no_progress,
) -> Provisioning:
    """What has to be done for `gateway`; reads AWS, changes nothing.

    Raises `AWSError`, `ConfigurationError`, `GatewayMissingError` or `ForeignGatewayError`.
    """
    region = region_in(gateway.api_endpoint) or resolve_region(gateway.region_name)
    apis = Apis.in_region(region, origin_secret=origin_secret, on_wait=on_wait)
    wanted = wanted_gateway(gateway)  # before any call: what is wrong with the row needs no AWS
    observed = observe_gateway(gateway, apis, recreate=recreate)
    if observed.api is not None:
        wanted = wanted_gateway(gateway, api_id=observed.api.api_id)
    try:
        plan = plan_gateway(wanted, observed, record=record, notes=tuple(unwise(gateway)))
    except PlanError as exc:
        raise ConfigurationError(f"Gateway {gateway.api_name!r}: {exc}") from exc
    return Provisioning(gateway=gateway, apis=apis, wanted=wanted, observed=observed, plan=plan)


def apply_provisioning(
    provisioning: Provisioning,
    *,
    on_step: Callable[[Step], None],
    on_wait: Callable[[str], None] = no_progress,
) -> None:
    """Carry the plan out; ids are saved step by step, so a later run finishes what this one cannot.

    Where an answer was lost it looks again what AWS has and goes on from there. Raises the `AWSError`
    or `DeploymentFailedError` that ended it, which is also kept in the row's `last_error`.
    """
    gateway, apis = provisioning.gateway, provisioning.apis
    try:
        for _ in range(_ROUNDS - 1):
            try:
                _apply_once(provisioning, on_step=on_step, on_wait=on_wait)
            except _UNCLEAR as exc:
                on_wait(f"{exc} Looking again at what AWS has.")
                apis.sleep(_PAUSE_SECONDS)
                provisioning = plan_provisioning(gateway, on_wait=on_wait)
            else:
                return
        _apply_once(provisioning, on_step=on_step, on_wait=on_wait)
    except (WebSocketGatewayError, ConfigurationError) as exc:
        _save_error(gateway, exc)
        raise


def _apply_once(
    provisioning: Provisioning, *, on_step: Callable[[Step], None], on_wait: Callable[[str], None]
) -> None:
    _save_observed(provisioning)
    Applying(gateway=provisioning.gateway, apis=provisioning.apis, on_step=on_step, on_wait=on_wait).run(
        provisioning.plan
    )
    _save_done(provisioning)


def _save_observed(provisioning: Provisioning) -> None:
    """Keep what a run that was cut off could not keep any more."""
    gateway, api, served = provisioning.gateway, provisioning.observed.api, provisioning.observed.deployment
    if api is None or gateway._state.adding:
        return
    known = {"api_id": api.api_id, "api_endpoint": api.api_endpoint}
    if served is not None and served.status == "DEPLOYED":
        known["deployment_id"] = served.deployment_id
    changed = [field for field, value in known.items() if getattr(gateway, field) != value]
    for field in changed:
        setattr(gateway, field, known[field])
    if changed:
        gateway.save(update_fields=[*changed, "updated_on"])


def _save_done(provisioning: Provisioning) -> None:
    gateway = provisioning.gateway
    if provisioning.plan or not gateway.api_created or gateway.last_error:
        gateway.api_created, gateway.last_applied_on, gateway.last_error = True, timezone.now(), ""
        gateway.save(update_fields=["api_created", "last_applied_on", "last_error", "updated_on"])
    keys = [route.route_key for route in provisioning.wanted.routes]
    gateway.additional_routes.filter(deployed=False, route_key__in=keys).update(deployed=True)


def _save_error(gateway: ApiGateway, exc: Exception) -> None:
    if not gateway._state.adding:
        ApiGateway.objects.filter(pk=gateway.pk).update(last_error=str(exc))
