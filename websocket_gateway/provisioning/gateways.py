"""Create a gateway in AWS, or bring it to what its row, the views and the settings say: plan, and apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from websocket_gateway.aws.apis import Apis, no_progress
from websocket_gateway.connections.endpoints import find_socket_url
from websocket_gateway.connections.sessions import count_open_by_stage
from websocket_gateway.exceptions import ConfigurationError, ForeignGatewayError
from websocket_gateway.last_runs import note_run, sync_of
from websocket_gateway.leases import PATIENCE_SECONDS, GatewayLease, held, leased
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.applying import Planned, apply_patiently
from websocket_gateway.provisioning.custom_domain import add_domain
from websocket_gateway.provisioning.importing import import_changes
from websocket_gateway.provisioning.observed import check_log_role, find_region, observe_gateway
from websocket_gateway.provisioning.plan import Action, AnyStep, Choices, Kind, Plan, PlanError, RecordStep
from websocket_gateway.provisioning.planning.gateway import adoption_notes, plan_gateway
from websocket_gateway.provisioning.planning.importing import foreign_routes
from websocket_gateway.provisioning.planning.taken_back import settle_options
from websocket_gateway.provisioning.rotating import finishing_steps, rotation_values
from websocket_gateway.provisioning.row import (
    other_gateways,
    record_applied,
    record_observed,
    recording_owner,
    set_values,
    switching_steps,
)
from websocket_gateway.provisioning.wanted import secret_of, unwise, wanted_gateway, with_secret
from websocket_gateway.provisioning.wanted_routes import project_routes, unknown_gateways
from websocket_gateway.resources import ObservedGateway, WantedGateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioning(Planned):
    """A plan that creates or syncs a gateway, and what it was made from."""

    purpose: ClassVar[str] = "apply"
    choices: Choices
    wanted: WantedGateway

    @property
    def adoption_notes(self) -> tuple[str, ...]:
        """What adopting the API changes for its clients; empty without `--adopt`."""
        return tuple(adoption_notes(self.wanted, self.observed)) if self.choices.adopt else ()

    @property
    def moved_mappings(self) -> tuple[str, ...]:
        """The paths of the domain that other gateways give up; empty without `--move-mapping`."""
        return tuple(
            f"{step.name} ({step.reason})"
            for step in self.plan
            if self.choices.move_mapping and step.kind is Kind.API_MAPPING and "api_id" in step.values
            if step.action is Action.UPDATE
        )

    @property
    def importable(self) -> bool:
        """Whether `--import` would make rows of what is left alone."""
        return any(foreign_routes(self.wanted, self.observed))

    @property
    def socket_url(self) -> str:
        """The URL that clients connect to; empty while the API does not exist."""
        return find_socket_url(self.gateway)

    def record_observed(self, lease: GatewayLease) -> None:
        """Save the ids that AWS has."""
        record_observed(self.gateway, self.observed, plan=self.plan, lease=lease)

    def record_applied(self, lease: GatewayLease) -> None:
        """Save that everything is as wanted now."""
        record_applied(self.gateway, self.wanted, plan=self.plan, lease=lease)
        note_run(sync_of(self.gateway))


def agree(provisioning: Provisioning) -> None:
    """Agree to every plan."""


def plan_provisioning(
    gateway: ApiGateway,
    values: Mapping[str, object] = {},
    *,
    choices: Choices = Choices(),  # noqa: B008 - frozen
    on_wait: Callable[[str], None] = no_progress,
) -> Provisioning:
    """The plan that creates or syncs `gateway` with `values`; reads AWS, changes nothing.

    The values are set on `gateway`, and saved by the plan. Raises `AWSError`, `ConfigurationError`,
    `GatewayMissingError` or `ForeignGatewayError`.
    """
    record = _record(gateway, values, choices)
    region = find_region(gateway, choices, asked="region_name" in values, on_wait=on_wait)
    apis = Apis.in_region(region, origin_secret=secret_of(gateway), on_wait=on_wait)
    routes = project_routes(gateway)
    wanted = wanted_gateway(gateway, routes=routes)  # before any call: a mistake in the project needs no AWS
    observed = observe_gateway(gateway, wanted, apis, choices=choices)
    if choices.import_changes:
        imported, wanted = import_changes(gateway, wanted, observed, routes)
        record = (*record, *imported)
        if imported:  # a route that is wanted now has responses that were not read before
            observed = observe_gateway(gateway, wanted, apis, choices=choices)
    api_id = observed.api.api_id if observed.api else ""
    wanted = with_secret(wanted, api_id, secret_of(gateway))
    wanted, observed = add_domain(gateway, wanted, observed, apis, choices=choices)
    wanted = settle_options(wanted, observed)
    notes = check_log_role(gateway, wanted, observed, region)
    plan = _plan(gateway, wanted, observed, record=record, choices=choices, notes=notes)
    return Provisioning(
        gateway=gateway, apis=apis, choices=choices, wanted=wanted, observed=observed, plan=plan
    )


def _plan(
    gateway: ApiGateway,
    wanted: WantedGateway,
    observed: ObservedGateway,
    *,
    record: tuple[RecordStep, ...],
    choices: Choices,
    notes: tuple[str, ...],
) -> Plan:
    switches = gateway.live_stage != gateway.stage_name
    counted = not gateway._state.adding and (switches or len(observed.stages) > 1)
    sockets = count_open_by_stage(gateway) if counted else {}
    try:
        return plan_gateway(
            wanted,
            observed,
            record=record,
            deployed=(
                *(finishing_steps(gateway) if gateway.secret_rotating else ()),
                *switching_steps(gateway, observed, sockets),
            ),
            notes=(
                *notes,
                *_notes(gateway, observed, choices),
                *(adoption_notes(wanted, observed) if choices.adopt else ()),
            ),
            prune=choices.prune,
            deployment_owed=bool(observed.api) and gateway.api_created and not gateway.deployment_id,
            sockets=sockets,
            others={row.api_id: row for row in other_gateways(gateway)} if gateway.domain_name else {},
            move_mapping=choices.move_mapping,
        )
    except PlanError as exc:
        raise ConfigurationError(f"Gateway {gateway.api_name!r}: {exc}") from exc


def _record(gateway: ApiGateway, values: Mapping[str, object], choices: Choices) -> tuple[RecordStep, ...]:
    """Set the new values of the row, those of a rotation included; the step that will save them."""
    rotation = rotation_values(gateway) if choices.rotate_secret else {}
    return set_values(gateway, {**values, **rotation})


def _notes(gateway: ApiGateway, observed: ObservedGateway, choices: Choices) -> tuple[str, ...]:
    others = (
        f"API {api.api_id} has the same name, belongs to another installation and is left alone"
        for api in observed.namesakes
    )
    replaced = choices.recreate and gateway.api_id not in observed.own_api_ids
    return (
        *unwise(gateway, replaced=replaced),
        *unknown_gateways(gateway.api_name),
        *others,
        *observed.domain_notes,
    )


def provision(
    gateway: ApiGateway,
    values: Mapping[str, object] = {},
    *,
    choices: Choices = Choices(),  # noqa: B008 - frozen
    confirm: Callable[[Provisioning], None] = agree,
    on_step: Callable[[AnyStep], None],
    on_wait: Callable[[str], None] = no_progress,
    patience: float = PATIENCE_SECONDS,
) -> Provisioning:
    """Plan and apply, while no other process changes this gateway; answers the plan that was applied.

    `values` are new values of the row. `confirm` sees the plan first, and raises to stop. Another process is
    waited for, `patience` seconds long. Raises `GatewayBusyError` when that ends, and what
    `plan_provisioning` and `apply_patiently` raise.
    """

    def apply(planned: Provisioning, lease: GatewayLease) -> None:
        def replan() -> Provisioning:
            return plan_provisioning(planned.gateway, choices=choices.again, on_wait=on_wait)

        apply_patiently(planned, replan, lease=lease, on_step=on_step, on_wait=on_wait)

    if gateway._state.adding:
        planned = _plan_new(gateway, values, choices=choices, on_wait=on_wait)
        if planned is not None:
            confirm(planned)
            lease = GatewayLease(gateway)
            if lease.insert():
                with held(lease):
                    apply(planned, lease)
                return planned
        on_wait(f"Gateway {gateway.api_name!r} was created by another process just now.")
        gateway = ApiGateway.objects.get(api_name=gateway.api_name)
    with leased(gateway, on_wait=on_wait, patience=patience) as lease, recording_owner(lease):
        gateway.refresh_from_db()
        planned = plan_provisioning(gateway, values, choices=choices, on_wait=on_wait)
        confirm(planned)
        apply(planned, lease)
    return planned


def _plan_new(
    gateway: ApiGateway,
    values: Mapping[str, object],
    *,
    choices: Choices,
    on_wait: Callable[[str], None],
) -> Provisioning | None:
    """The plan of a row that is not saved yet; None if another process saved a row of that name first.

    Planned before the row is saved, so that what cannot be planned leaves no row.
    """
    try:
        return plan_provisioning(gateway, values, choices=choices, on_wait=on_wait)
    except ForeignGatewayError:
        # It may be the API of a process that is just making this very gateway: the row comes first.
        if not ApiGateway.objects.filter(api_name=gateway.api_name).exists():
            raise
        return None
