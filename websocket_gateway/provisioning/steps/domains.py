"""Steps on the custom domain, its mapping and its records in DNS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from websocket_gateway.exceptions import (
    AWSError,
    ConflictError,
    DomainNotReadyError,
    GatewayNotFoundError,
    InvalidRequestError,
    PlanOutdatedError,
)
from websocket_gateway.leases import leased
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.custom_domain import mappings_to
from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.provisioning.planning.differences import (
    changes_more_than_tags,
    changes_tags,
    removed_tags,
)
from websocket_gateway.provisioning.steps.context import Context, Handler, on
from websocket_gateway.resources import UUID_TAG, AliasRecord, ApiMapping, Domain

DOMAIN_TIMEOUT_SECONDS = 900.0
_NO_DOMAIN: Final = {
    "domain_name": "",
    "mapping_key": "",
    "api_mapping_id": "",
    "api_gateway_domain_name": "",
    "custom_domain_created": False,
    "deployed_address": "",
}
HEIR_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = (0.1, 0.4, 1.0, 2.0, 5.0)
"""Pauses between calls; the last one repeats."""


def create_domain(context: Context, step: Step[Domain]) -> None:
    """Create the domain, keep where DNS must lead it, and wait until it is AVAILABLE."""
    domain = context.domains.create_domain(step.resource)
    context.save(api_gateway_domain_name=domain.target)
    _wait_until_available(context, domain)


def update_domain(context: Context, step: Step[Domain]) -> None:
    """Set certificate and address type, or the tags, or both."""
    domains = context.domains
    if changes_tags(step):
        with _while_it_exists(context, str(step.values.get(f"tags[{UUID_TAG}]") or "")):
            domains.tag_domain(step.resource.domain_name, step.resource.tags)
    if unwanted := removed_tags(step):
        domains.untag_domain(step.resource.domain_name, unwanted)
    if changes_more_than_tags(step):
        _wait_until_available(context, domains.update_domain(step.resource))


@contextmanager
def _while_it_exists(context: Context, uuid: str) -> Iterator[None]:
    """Hold the lease of the gateway that the domain is given to: a deletion of it at once would not see that.

    Raises `PlanOutdatedError` if it was deleted, `GatewayBusyError` if another process works on it for long.
    """
    if uuid in ("", str(context.gateway.uuid)):
        yield
        return
    heir = ApiGateway.objects.filter(uuid=uuid).first()
    try:
        if heir is None:
            raise GatewayNotFoundError("There is no such gateway any more.")
        with leased(heir, on_wait=context.on_wait, patience=HEIR_PATIENCE_SECONDS, sleep=context.apis.sleep):
            yield
    except GatewayNotFoundError as exc:
        raise PlanOutdatedError(f"The domain had to pass to another gateway. {exc}") from exc


def wait_for_domain(context: Context, step: Step[Domain]) -> None:
    """Wait for what an earlier run began."""
    _wait_until_available(context, step.resource)


def delete_domain(context: Context, step: Step[Domain]) -> None:
    """Delete the domain."""
    context.domains.delete_domain(step.name)
    if step.name == context.gateway.domain_name or not context.gateway.domain_name:
        context.save(api_gateway_domain_name="", custom_domain_created=False)


def create_mapping(context: Context, step: Step[ApiMapping]) -> None:
    """Map a path of the domain to the stage. From now on clients get the address of the domain."""
    mapping = replace(step.resource, api_id=context.api_id)
    api_mapping_id = context.domains.create_mapping(_domain_of(step), mapping)
    _save_mapped(context, step, api_mapping_id)


def update_mapping(context: Context, step: Step[ApiMapping]) -> None:
    """Map a path of the domain to the stage instead of its current target.

    A gateway that gives it up does so first: from then on its pages have the address of its stage.
    """
    if "api_id" in step.values:
        ApiGateway.objects.filter(api_id=step.present.api_id).exclude(pk=context.gateway.pk).filter(
            domain_name=_domain_of(step), mapping_key=step.present.api_mapping_key
        ).update(**_NO_DOMAIN)
    mapping = replace(step.resource, api_id=context.api_id)
    context.domains.update_mapping(_domain_of(step), mapping)
    _save_mapped(context, step, mapping.api_mapping_id)


def _save_mapped(context: Context, step: Step[ApiMapping], api_mapping_id: str) -> None:
    context.save(
        api_mapping_id=api_mapping_id, custom_domain_created=True, deployed_address=step.name.rstrip("/")
    )


def delete_mapping(context: Context, step: Step[ApiMapping]) -> None:
    """Remove a path of the domain."""
    context.domains.delete_mapping(_domain_of(step), step.resource.api_mapping_id)
    if step.resource.api_mapping_id == context.gateway.api_mapping_id:
        context.save(api_mapping_id="")
    if step.name.rstrip("/") == context.gateway.deployed_address:
        context.save(deployed_address="")


def upsert_record(context: Context, step: Step[AliasRecord]) -> None:
    """Point the name at the domain's host, and wait until every DNS server of the zone has it."""
    domain = context.domains.find_domain(step.resource.name)
    if domain is None:
        raise PlanOutdatedError(f"Domain {step.resource.name!r} vanished. Run it again.")
    checked = step.observed.evaluates_health if step.observed else None
    record = replace(
        step.resource,
        target=domain.target,
        target_zone_id=domain.target_zone_id,
        evaluates_health=checked,
    )
    context.dns.upsert(context.gateway.hosted_zone_id, record)


def delete_record(context: Context, step: Step[AliasRecord]) -> None:
    """Remove the name from the zone."""
    context.dns.delete_record(context.gateway.hosted_zone_id, step.resource)


@contextmanager
def naming_domains(context: Context, api_id: str, stage: str = "") -> Iterator[None]:
    """Name the domains that lead to an API, or to its stage, if AWS refuses the deletion in the block."""
    try:
        yield
    except (InvalidRequestError, ConflictError) as exc:
        try:
            leading = mappings_to(context.apis, api_id, stage)
        except AWSError as unread:
            raise InvalidRequestError(f"{exc} Which domains lead there is not known: {unread}") from exc
        if not leading:
            raise
        what = f"stage {stage!r} of API {api_id!r}" if stage else f"API {api_id!r}"
        raise InvalidRequestError(
            f"AWS does not delete {what} while {', '.join(leading)} leads to it. Delete that api mapping, "
            f"then run the command again. AWS said: {exc}"
        ) from exc


def _domain_of(step: Step[ApiMapping]) -> str:
    return step.name.partition("/")[0]


def _wait_until_available(context: Context, domain: Domain) -> None:
    name = f"Domain {domain.domain_name!r}"
    found = context.poll(
        domain,
        lambda: context.domains.find_domain(domain.domain_name),
        pending=lambda seen: seen.domain_name_status != "AVAILABLE" and not _is_held_up(seen),
        goal=f"domain {domain.domain_name} is AVAILABLE",
        pauses=_POLL_SECONDS,
        seconds=DOMAIN_TIMEOUT_SECONDS,
    )
    if found is None:
        raise PlanOutdatedError(f"{name} vanished. Run it again.")
    if _is_held_up(found):
        why = found.domain_name_status_message.rstrip(".") or "look at its certificate in the AWS console"
        done = "Run it again when that is done."
        raise DomainNotReadyError(f"{name} is {found.domain_name_status}: {why}. {done}")
    if found.domain_name_status != "AVAILABLE":
        again = "Run it again to go on waiting."
        raise DomainNotReadyError(f"{name} is still {found.domain_name_status}. {again}")


def _is_held_up(domain: Domain) -> bool:
    """Whether the domain waits for something that its owner must do first."""
    return domain.domain_name_status.startswith("PENDING")


HANDLERS: dict[tuple[Action, Kind], Handler] = {
    (Action.CREATE, Kind.DOMAIN): on(Domain, create_domain),
    (Action.UPDATE, Kind.DOMAIN): on(Domain, update_domain),
    (Action.WAIT, Kind.DOMAIN): on(Domain, wait_for_domain),
    (Action.DELETE, Kind.DOMAIN): on(Domain, delete_domain),
    (Action.CREATE, Kind.API_MAPPING): on(ApiMapping, create_mapping),
    (Action.UPDATE, Kind.API_MAPPING): on(ApiMapping, update_mapping),
    (Action.DELETE, Kind.API_MAPPING): on(ApiMapping, delete_mapping),
    (Action.CREATE, Kind.DNS_RECORD): on(AliasRecord, upsert_record),
    (Action.UPDATE, Kind.DNS_RECORD): on(AliasRecord, upsert_record),
    (Action.DELETE, Kind.DNS_RECORD): on(AliasRecord, delete_record),
}
