"""A gateway's row: found or built, set to the values that were asked for, and what it keeps of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.utils import timezone

from websocket_gateway.connections.endpoints import must_use_domain, why_missing
from websocket_gateway.exceptions import (
    ConfigurationError,
    ForeignGatewayError,
    GatewayMissingError,
    GatewayNotFoundError,
)
from websocket_gateway.leases import GatewayLease
from websocket_gateway.models import ApiGateway
from websocket_gateway.models.gateways import DOMAIN_ADDRESS_FIELDS
from websocket_gateway.origin_secret import installation_fingerprint
from websocket_gateway.provisioning.plan import (
    Action,
    Change,
    Kind,
    Other,
    Plan,
    RecordStep,
    Step,
    count_sockets,
)
from websocket_gateway.resources import ObservedGateway, WantedGateway


def find_gateway(name: str | None = None) -> ApiGateway:
    """The row called `name`; without a name, the only one there is.

    Raises `GatewayNotFoundError` naming the rows that exist.
    """
    rows = ApiGateway.objects.all() if name is None else ApiGateway.objects.filter(api_name=name)
    found = list(rows[:2])
    if len(found) == 1:
        return found[0]
    names = list(ApiGateway.objects.values_list("api_name", flat=True)[:20])
    known = f"There is: {', '.join(map(repr, names))}." if names else "There is none yet."
    problem = "Which gateway? Give its NAME." if name is None else f"There is no gateway {name!r}."
    raise GatewayNotFoundError(f"{problem} {known}")


def find_gateways(names: Sequence[str]) -> list[ApiGateway]:
    """The rows of these names, once each; without names, every row.

    Raises `GatewayNotFoundError` for a name that no row has, `GatewayMissingError` for a named row without an
    API.
    """
    if not names:
        return list(ApiGateway.objects.all())
    found = [find_gateway(name) for name in dict.fromkeys(names)]
    for gateway in found:
        if not gateway.api_id:
            raise GatewayMissingError(why_missing(gateway))
    return found


def other_gateways(gateway: ApiGateway) -> list[Other]:
    """The other gateways of this installation that are in AWS."""
    rows = ApiGateway.objects.exclude(pk=gateway.pk).exclude(api_id="")
    return [
        Other(name=row.api_name, uuid=str(row.uuid), api_id=row.api_id, domain_name=row.domain_name)
        for row in rows
        if not row.is_foreign
    ]


def find_or_build_gateway(name: str | None, values: Mapping[str, object]) -> ApiGateway:
    """The row of that name, or a new one, not saved, if `values` are enough for one.

    Raises `GatewayNotFoundError` if there is neither a row nor enough to build one.
    """
    try:
        return find_gateway(name)
    except GatewayNotFoundError as exc:
        if name is None or not values.get("target_base_endpoint"):
            advice = "To create one, give a NAME and --target https://www.example.com/ws/"
            raise GatewayNotFoundError(f"{exc} {advice}") from exc
        return ApiGateway(api_name=name)


def set_values(gateway: ApiGateway, values: Mapping[str, object]) -> tuple[RecordStep, ...]:
    """Set `values` on the row, unsaved; the step that will save them, if any of them is new.

    Raises `ConfigurationError` if a value is invalid.
    """
    before = {field: getattr(gateway, field) for field in values}
    for field, value in values.items():
        setattr(gateway, field, value)
    if any(before[field] != getattr(gateway, field) for field in before.keys() & DOMAIN_ADDRESS_FIELDS):
        gateway.custom_domain_created = False  # clients keep an address that works until the new one does
    gateway.complete_target()
    _validate(gateway)
    return _record_steps(gateway, before)


def _validate(gateway: ApiGateway) -> None:
    try:
        gateway.full_clean(validate_unique=False)
    except ValidationError as exc:
        problems = "; ".join(f"{field}: {' '.join(messages)}" for field, messages in exc.message_dict.items())
        raise ConfigurationError(f"Gateway {gateway.api_name!r} is not valid. {problems}") from exc


def _record_steps(gateway: ApiGateway, before: Mapping[str, object]) -> tuple[RecordStep, ...]:
    adding = gateway._state.adding
    changes = tuple(
        Change(attribute=field, before=None if adding else old, after=getattr(gateway, field))
        for field, old in before.items()
        if adding or old != getattr(gateway, field)
    )
    if not adding and not changes:
        return ()
    return (
        Step(
            action=Action.CREATE if adding else Action.UPDATE,
            kind=Kind.RECORD,
            name=gateway.api_name,
            reason="missing in the database" if adding else "options were given",
            changes=changes,
            resource=None,
        ),
    )


def switching_steps(
    gateway: ApiGateway, observed: ObservedGateway, sockets: Mapping[str, int]
) -> tuple[RecordStep, ...]:
    """The step that lets clients connect to the row's stage instead of the one that is deployed so far.

    It follows the deployment. `sockets` has the number of open sockets of each stage.
    """
    before, after = gateway.deployed_stage, gateway.stage_name
    if observed.api is None or before in ("", after):
        return ()
    held = sockets.get(before, 0) if observed.find_stage(before) is not None else 0
    reason = f"clients connect to stage {after} from now on; {count_sockets(held)} on {before}"
    if held and must_use_domain(gateway):
        reason += ", to which nothing can be sent: the default endpoint is disabled"
    elif held:
        reason += ", where they stay until they end"
    change = Change(attribute="deployed_stage", before=before, after=after)
    return (
        Step(
            action=Action.UPDATE,
            kind=Kind.RECORD,
            name=gateway.api_name,
            reason=reason,
            changes=(change,),
            resource=None,
        ),
    )


def record_observed(
    gateway: ApiGateway, observed: ObservedGateway, *, plan: Plan, lease: GatewayLease
) -> None:
    """Save the ids that a run which was cut off could not save any more, and that the API is ours."""
    if observed.api is None:
        return
    known: dict[str, object] = {
        "api_id": observed.api.api_id,
        "api_endpoint": observed.api.api_endpoint,
        "installation": installation_fingerprint(),
    }
    served = observed.deployment
    deploys = any(step.kind is Kind.DEPLOYMENT and step.name == gateway.stage_name for step in plan)
    if served is not None and served.status == "DEPLOYED" and not deploys:
        known |= {
            "deployment_id": served.deployment_id,
            "deployed_stage": gateway.live_stage,
            "maps_stage": True,
        }
    if observed.api.disable_execute_api_endpoint is not None:
        known["default_endpoint_disabled"] = observed.api.disable_execute_api_endpoint
    known |= _known_of_domain(gateway, observed)
    if changed := {field: value for field, value in known.items() if getattr(gateway, field) != value}:
        lease.save(**changed)


@contextmanager
def recording_owner(lease: GatewayLease) -> Iterator[None]:
    """Save to which other installation an API belongs, if the block finds out by a `ForeignGatewayError`.

    AWS knows better than the row, which may have been marked as ours after its database was copied.
    """
    try:
        yield
    except ForeignGatewayError as exc:
        if exc.installation:
            lease.save(installation=exc.installation)
        raise


def _known_of_domain(gateway: ApiGateway, observed: ObservedGateway) -> dict[str, object]:
    seen = observed.domain
    known: dict[str, object] = {"api_gateway_domain_name": seen.domain.target} if seen.domain else {}
    for mapping in seen.mappings:
        if (mapping.api_id, mapping.api_mapping_key) == (gateway.api_id, gateway.mapping_key):
            known |= {
                "api_mapping_id": mapping.api_mapping_id,
                "custom_domain_created": True,
                "deployed_address": f"{gateway.domain_name}/{gateway.mapping_key}".rstrip("/"),
            }
    return known


def record_applied(gateway: ApiGateway, wanted: WantedGateway, *, plan: Plan, lease: GatewayLease) -> None:
    """Save that everything is as wanted now, and that its routes are deployed."""
    if plan or not gateway.api_created or gateway.last_error or gateway.has_unapplied_changes:
        disabled = wanted.api.disable_execute_api_endpoint
        if disabled is None:
            disabled = gateway.default_endpoint_disabled
        lease.save(
            api_created=True,
            last_applied_on=timezone.now(),
            last_error="",
            default_endpoint_disabled=disabled,
        )
    keys = [route.route_key for route in wanted.routes]
    gateway.additional_routes.filter(deployed=False, route_key__in=keys).update(deployed=True)
