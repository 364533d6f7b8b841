"""Wanted custom domain x observed domain -> steps: the domain, its mapping to the stage, its DNS records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from websocket_gateway.provisioning.plan import Action, AnyStep, Change, Kind, Other, PlanError, Step
from websocket_gateway.provisioning.planning import marks
from websocket_gateway.provisioning.planning.differences import update_step
from websocket_gateway.provisioning.planning.records import (
    leftover_records,
    own_records,
    plan_records,
    record_name,
)
from websocket_gateway.resources import (
    UUID_TAG,
    AliasRecord,
    ApiMapping,
    Domain,
    ObservedDomain,
    ObservedGateway,
    WantedDomain,
    WantedGateway,
    frozen,
)

_AVAILABLE = "AVAILABLE"


def plan_domain(
    wanted: WantedGateway,
    want: WantedDomain,
    observed: ObservedGateway,
    *,
    uuid: str,
    others: Mapping[str, Other],
    move: bool,
) -> Iterator[AnyStep]:
    """The steps for the domain that the row names; with `move` also one that leads to `others`.

    Raises `PlanError` where the path leads to an API of others, or the name to a host of others.
    """
    yield from _plan_name(want, observed, uuid=uuid, owner=_owner_of(observed.domain, others))
    yield from _plan_mapping(wanted, want, observed, others=others, move=move)
    yield from plan_records(want, observed.domain)


def plan_removal(
    seen: ObservedDomain, *, uuid: str, api_ids: Collection[str], reason: str, keep_key: str | None = None
) -> Iterator[AnyStep]:
    """The steps that remove a gateway from a domain, and the domain if it is ours and serves nothing else.

    `api_ids` are the gateway's own; the mapping of `keep_key` stays.
    """
    domain = seen.domain
    if domain is None:
        return
    mine = [item for item in seen.mappings if item.api_id in api_ids and item.api_mapping_key != keep_key]
    goes = is_ours(seen, uuid, api_ids) and len(mine) == len(seen.mappings) and keep_key is None
    if goes:
        for record in own_records(seen):
            yield _delete(Kind.DNS_RECORD, record_name(record), reason, record)
    for mapping in mine:
        yield _delete(Kind.API_MAPPING, mapping_name(domain, mapping.api_mapping_key), reason, mapping)
    if goes:
        yield _delete(Kind.DOMAIN, domain.domain_name, reason, domain)


def dangling_names(steps: Iterable[AnyStep]) -> Iterator[str]:
    """A note on every name in DNS that may still lead to a domain which these steps delete."""
    gone = [step for step in steps if step.action is Action.DELETE]
    cleared = {step.name.partition(" ")[2] for step in gone if step.kind is Kind.DNS_RECORD}
    for step in gone:
        if step.kind is Kind.DOMAIN and step.name not in cleared:
            yield f"if DNS still has a record for {step.name}, delete it by hand: what it led to is gone"


def leftover_domains(wanted: WantedGateway, observed: ObservedGateway, *, uuid: str) -> Iterator[AnyStep]:
    """The steps that would remove earlier domains, and earlier paths of this one."""
    api_ids = observed.own_api_ids
    if wanted.domain is not None:
        key = wanted.domain.api_mapping_key
        yield from plan_removal(
            observed.domain, uuid=uuid, api_ids=api_ids, reason="an earlier path", keep_key=key
        )
        yield from leftover_records(wanted.domain, observed.domain)
    for seen in observed.former_domains:
        ours = is_ours(seen, uuid, api_ids)
        reason = (
            "an earlier domain of this gateway" if ours else "leads to this gateway, which does not name it"
        )
        yield from plan_removal(seen, uuid=uuid, api_ids=api_ids, reason=reason)


def is_ours(seen: ObservedDomain, uuid: str, api_ids: Collection[str]) -> bool:
    """Whether this gateway made the domain, or is the last one to use it after its maker was deleted.

    `api_ids` are the gateway's own.
    """
    if seen.domain is not None and marks.is_marked(seen.domain.tags, uuid):
        return True
    last = bool(seen.mappings) and all(item.api_id in api_ids for item in seen.mappings)
    return seen.ownerless and last


def inheritance(seen: ObservedDomain, *, uuid: str, others: Mapping[str, Other]) -> Iterator[Step[Domain]]:
    """The step that gives a domain which stays to another gateway that uses it, if `uuid` made it."""
    domain = seen.domain
    heirs = [others[item.api_id] for item in seen.mappings if item.api_id in others]
    if domain is None or not heirs or not marks.is_marked(domain.tags, uuid):
        return
    heir = heirs[0]
    yield Step(
        action=Action.UPDATE,
        kind=Kind.DOMAIN,
        name=domain.domain_name,
        reason=f"gateway {heir.name} uses it, and owns it from now on",
        changes=(Change(attribute=f"tags[{UUID_TAG}]", before=uuid, after=heir.uuid),),
        resource=replace(domain, tags=frozen({UUID_TAG: heir.uuid})),
        observed=domain,
    )


def mapping_name(domain: Domain, key: str) -> str:
    """The name of a step on a mapping: the domain, a slash, the key."""
    return f"{domain.domain_name}/{key}"


def owner_notes(want: WantedDomain, observed: ObservedGateway, others: Mapping[str, Other]) -> Iterator[str]:
    """A note if the domain is not as wanted and another gateway of this installation decides that."""
    owner = _owner_of(observed.domain, others)
    for step in _updates(want.domain, observed.domain.domain) if owner else ():
        names = " and ".join(change.attribute for change in step.changes)
        yield f"domain {step.name} is gateway {owner.name if owner else ''}'s, which decides its {names}"


def _owner_of(seen: ObservedDomain, others: Mapping[str, Other]) -> Other | None:
    """The other gateway that made the domain, if it still uses it."""
    domain = seen.domain
    if domain is None:
        return None
    using = (other for other in others.values() if other.domain_name == domain.domain_name)
    return next((other for other in using if marks.is_marked(domain.tags, other.uuid)), None)


def _updates(wanted: Domain, seen: Domain | None, *, ours: bool = False) -> list[Step[Domain]]:
    """The step that brings the domain to `wanted`, if it differs; the tags are those of its owner."""
    if seen is None:
        return []
    wanted = wanted if ours else replace(wanted, tags=seen.tags)
    return list(update_step(Kind.DOMAIN, wanted.domain_name, wanted, seen))


def _plan_name(
    want: WantedDomain, observed: ObservedGateway, *, uuid: str, owner: Other | None
) -> Iterator[Step[Domain]]:
    name, seen = want.domain.domain_name, observed.domain
    if seen.domain is None:
        yield Step(
            action=Action.CREATE,
            kind=Kind.DOMAIN,
            name=name,
            reason="missing in AWS",
            resource=want.domain,
        )
        return
    # Several gateways may share a domain by mapping keys; the one that made it decides the rest.
    ours = is_ours(seen, uuid, observed.own_api_ids)
    steps = [] if owner else _updates(want.domain, seen.domain, ours=ours)
    if not steps and seen.domain.domain_name_status != _AVAILABLE:
        steps = [
            Step(
                action=Action.WAIT,
                kind=Kind.DOMAIN,
                name=name,
                reason=f"it is {seen.domain.domain_name_status}",
                resource=seen.domain,
            )
        ]
    yield from steps


def _plan_mapping(
    wanted: WantedGateway,
    want: WantedDomain,
    observed: ObservedGateway,
    *,
    others: Mapping[str, Other],
    move: bool,
) -> Iterator[Step[ApiMapping]]:
    api_id = observed.api.api_id if observed.api else ""
    key = want.api_mapping_key
    mapping = ApiMapping(api_id=api_id, stage=wanted.stage.stage_name, api_mapping_key=key)
    name = mapping_name(want.domain, key)
    present = next((item for item in observed.domain.mappings if item.api_mapping_key == key), None)
    if present is None:
        yield Step(
            action=Action.CREATE,
            kind=Kind.API_MAPPING,
            name=name,
            reason="missing in AWS",
            resource=mapping,
        )
        return
    other = others.get(present.api_id)
    # One that leads to an API which is gone serves nothing.
    taken = present.api_id in observed.api_ids - observed.own_api_ids
    if taken and not (other and move):
        whose = f"which is gateway {other.name}'s" if other else "which is not this gateway's"
        move_it = ", move it from that gateway to this one (--move-mapping)" if other else ""
        raise PlanError(
            f"{name} leads to API {present.api_id} already, {whose}. Give the gateway "
            f"another mapping key (--mapping-key){move_it}, or delete that mapping first."
        )
    wanted_mapping = replace(mapping, api_mapping_id=present.api_mapping_id)
    for step in update_step(Kind.API_MAPPING, name, wanted_mapping, present):
        yield replace(step, reason=f"gateway {other.name} gives it up") if other and taken else step


def _delete(kind: Kind, name: str, reason: str, resource: Domain | ApiMapping | AliasRecord) -> AnyStep:
    return Step(action=Action.DELETE, kind=kind, name=name, reason=reason, resource=resource)
