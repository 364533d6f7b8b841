"""Steps on the custom domain, its mapping and its records in DNS."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from websocket_gateway.exceptions import DomainNotReadyError, PlanOutdatedError
from websocket_gateway.provisioning.custom_domain import dns_beside, domains_beside
from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.provisioning.steps.tags import changes_more_than_tags, changes_tags
from websocket_gateway.resources import Domain

if TYPE_CHECKING:
    from websocket_gateway.provisioning.applying import Applying

DOMAIN_TIMEOUT_SECONDS = 900.0
_POLL_SECONDS = (0.1, 0.4, 1.0, 2.0, 5.0)
"""Pauses between questions; the last one repeats."""


def create_domain(run: Applying, step: Step) -> None:
    """Create the domain, keep where DNS must lead it, and wait until it is AVAILABLE."""
    wanted: Any = step.resource
    domain = domains_beside(run.apis).create_domain(wanted)
    run.save(api_gateway_domain_name=domain.target)
    _wait_until_available(run, domain)


def update_domain(run: Applying, step: Step) -> None:
    """Set certificate and address type, or the tags, or both."""
    wanted: Any = step.resource
    domains = domains_beside(run.apis)
    if changes_tags(step):
        domains.tag_domain(wanted.domain_name, wanted.tags)
    if changes_more_than_tags(step):
        _wait_until_available(run, domains.update_domain(wanted))


def wait_for_domain(run: Applying, step: Step) -> None:
    """Wait for what an earlier run began."""
    domain: Any = step.resource
    _wait_until_available(run, domain)


def delete_domain(run: Applying, step: Step) -> None:
    """Delete the domain."""
    domains_beside(run.apis).delete_domain(step.name)
    if step.name == run.gateway.domain_name or not run.gateway.domain_name:
        run.save(api_gateway_domain_name="", custom_domain_created=False)


def create_mapping(run: Applying, step: Step) -> None:
    """Lead a path of the domain to the stage; from now on clients are told the domain's address."""
    mapping: Any = replace(step.resource, api_id=run.api_id)  # type: ignore[type-var]
    api_mapping_id = domains_beside(run.apis).create_mapping(_domain_of(step), mapping)
    run.save(api_mapping_id=api_mapping_id, custom_domain_created=True)


def update_mapping(run: Applying, step: Step) -> None:
    """Lead a path of the domain to the stage instead of where it leads."""
    mapping: Any = replace(step.resource, api_id=run.api_id)  # type: ignore[type-var]
    domains_beside(run.apis).update_mapping(_domain_of(step), mapping)
    run.save(api_mapping_id=mapping.api_mapping_id, custom_domain_created=True)


def delete_mapping(run: Applying, step: Step) -> None:
    """Take a path off the domain."""
    mapping: Any = step.resource
    domains_beside(run.apis).delete_mapping(_domain_of(step), mapping.api_mapping_id)
    if mapping.api_mapping_id == run.gateway.api_mapping_id:
        run.save(api_mapping_id="")


def upsert_record(run: Applying, step: Step) -> None:
    """Lead the name to the domain's host, and wait until the zone's servers know."""
    record: Any = step.resource
    domain = domains_beside(run.apis).find_domain(record.name)
    if domain is None:
        raise PlanOutdatedError(f"Domain {record.name!r} vanished. Run it again.")
    record = replace(record, target=domain.target, target_zone_id=domain.target_zone_id)
    dns_beside(run.apis).upsert(run.gateway.hosted_zone_id, record)


def delete_record(run: Applying, step: Step) -> None:
    """Take the name out of the zone."""
    record: Any = step.resource
    dns_beside(run.apis).delete_record(run.gateway.hosted_zone_id, record)


def _domain_of(step: Step) -> str:
    return step.name.partition("/")[0]


def _wait_until_available(run: Applying, domain: Domain) -> None:
    domains = domains_beside(run.apis)
    deadline = time.monotonic() + DOMAIN_TIMEOUT_SECONDS
    found: Domain | None = domain
    for pause in chain(_POLL_SECONDS, repeat(_POLL_SECONDS[-1])):
        if found is None:
            raise PlanOutdatedError(f"Domain {domain.domain_name!r} vanished. Run it again.")
        if found.domain_name_status == "AVAILABLE":
            return
        if found.domain_name_status.startswith("PENDING"):
            why = found.domain_name_status_message.rstrip(".") or "look at its certificate in the AWS console"
            raise DomainNotReadyError(
                f"Domain {domain.domain_name!r} is {found.domain_name_status}: {why}. "
                "Run it again when that is done."
            )
        if time.monotonic() > deadline:
            raise DomainNotReadyError(
                f"Domain {domain.domain_name!r} is still {found.domain_name_status}. "
                "Run it again to go on waiting."
            )
        run.on_wait(f"waiting until domain {domain.domain_name} is AVAILABLE")
        run.apis.sleep(pause)
        found = domains.find_domain(domain.domain_name)


DEEDS = {
    (Action.CREATE, Kind.DOMAIN): create_domain,
    (Action.UPDATE, Kind.DOMAIN): update_domain,
    (Action.WAIT, Kind.DOMAIN): wait_for_domain,
    (Action.DELETE, Kind.DOMAIN): delete_domain,
    (Action.CREATE, Kind.API_MAPPING): create_mapping,
    (Action.UPDATE, Kind.API_MAPPING): update_mapping,
    (Action.DELETE, Kind.API_MAPPING): delete_mapping,
    (Action.CREATE, Kind.DNS_RECORD): upsert_record,
    (Action.UPDATE, Kind.DNS_RECORD): upsert_record,
    (Action.DELETE, Kind.DNS_RECORD): delete_record,
}
