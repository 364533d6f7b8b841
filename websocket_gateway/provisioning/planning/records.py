"""Wanted and observed records in DNS -> steps. Records with a routing policy belong to others."""

from __future__ import annotations

from collections.abc import Iterator

from websocket_gateway.provisioning.plan import Action, Kind, PlanError, Step
from websocket_gateway.provisioning.planning.differences import update_step
from websocket_gateway.resources import AliasRecord, ObservedDomain, WantedDomain

_OURS_TO_REPLACE = ".execute-api."
"""Part of every host that API Gateway gives to domains; a record that leads elsewhere belongs to others."""


def plan_records(want: WantedDomain, seen: ObservedDomain) -> Iterator[Step[AliasRecord]]:
    """The steps that lead the name to the domain; none without a hosted zone.

    Raises `PlanError` where the name leads to a host of others.
    """
    if not want.hosted_zone_id:
        return
    target = seen.domain.target.lower() if seen.domain else ""
    zone_id = seen.domain.target_zone_id if seen.domain else ""
    for record_type in ("A", "AAAA") if _is_dual_stack(want, seen) else ("A",):
        record = AliasRecord(
            name=want.domain.domain_name, record_type=record_type, target=target, target_zone_id=zone_id
        )
        name = record_name(record)
        present = next((item for item in seen.records if item.record_type in (record_type, "CNAME")), None)
        if present is None:
            yield Step(
                action=Action.CREATE,
                kind=Kind.DNS_RECORD,
                name=name,
                reason="missing in the hosted zone",
                resource=record,
            )
            continue
        _check_replaceable(present, record)
        yield from update_step(Kind.DNS_RECORD, name, record, present)


def leftover_records(want: WantedDomain, seen: ObservedDomain) -> Iterator[Step[AliasRecord]]:
    """The step that would delete the IPv6 record of a domain without IPv6 addresses."""
    if want.hosted_zone_id and not _is_dual_stack(want, seen):
        for record in own_records(seen):
            if record.record_type == "AAAA":
                yield Step(
                    action=Action.DELETE,
                    kind=Kind.DNS_RECORD,
                    name=record_name(record),
                    reason="the domain has no IPv6 address",
                    resource=record,
                )


def own_records(seen: ObservedDomain) -> Iterator[AliasRecord]:
    """The records that lead to the domain, and that a run of ours may have made."""
    for record in seen.records:
        if seen.domain and record.target == seen.domain.target.lower() and not record.set_identifier:
            yield record


def record_name(record: AliasRecord) -> str:
    """The name of a step on a record: its type and its name."""
    return f"{record.record_type} {record.name}"


def _is_dual_stack(want: WantedDomain, seen: ObservedDomain) -> bool:
    address_type = want.domain.ip_address_type or (seen.domain.ip_address_type if seen.domain else None)
    return address_type == "dualstack"


def _check_replaceable(present: AliasRecord, record: AliasRecord) -> None:
    is_alias = bool(present.target_zone_id) and present.record_type == record.record_type
    if is_alias and (present.target == record.target or _OURS_TO_REPLACE in present.target):
        if not present.set_identifier:
            return
        what = f"with a routing policy ({present.set_identifier!r})"
    else:
        what = f"already, which leads to {present.target}"
    raise PlanError(
        f"DNS has a record {record_name(present)} {what}. "
        "Delete it first, or leave the hosted zone id empty and keep DNS yourself."
    )
