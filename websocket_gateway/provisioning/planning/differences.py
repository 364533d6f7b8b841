"""Compares a wanted resource with an observed one, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from websocket_gateway.provisioning.plan import Action, Change, Kind, Step
from websocket_gateway.provisioning.planning.marks import remembers
from websocket_gateway.resources import Resource

_ANSWERED: Final = {
    "api_id",
    "api_endpoint",
    "created_on",
    "integration_id",
    "route_id",
    "route_response_id",
    "deployment_id",
    "api_mapping_id",
    "target",
    "target_zone_id",
    "domain_name_status",
    "domain_name_status_message",
}
"""What AWS chose: never wanted, so never compared."""
_COMPARED_IDS: Final = {
    Kind.ROUTE: ("integration_id",),
    Kind.API_MAPPING: ("api_id",),
    Kind.DNS_RECORD: ("target", "target_zone_id"),
}
"""But here it is what something leads to."""


def differences(wanted: Resource, observed: Resource, *, also: tuple[str, ...] = ()) -> tuple[Change, ...]:
    """Every attribute in which `observed` is not as wanted; `also` names ids that matter here."""
    found = []
    for item in fields(wanted):
        if item.name in _ANSWERED and item.name not in also:
            continue
        before, after = getattr(observed, item.name), getattr(wanted, item.name)
        if after is not None and not _same(item.name, before, after):
            found.extend(_changes(item.name, before, after))
    return tuple(found)


def _same(name: str, before: Any, after: Any) -> bool:
    if name == "tags":
        return not _tag_keys(before, after)
    if isinstance(after, Mapping):
        return dict(before or {}) == dict(after)
    return bool(before == after)


def _changes(name: str, before: Any, after: Any) -> list[Change]:
    if not isinstance(after, Mapping):
        return [Change(attribute=name, before=before, after=after)]
    before = before or {}
    if name == "tags":
        keys = _tag_keys(before, after)
    else:
        keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return [Change(attribute=f"{name}[{key}]", before=before.get(key), after=after.get(key)) for key in keys]


def _tag_keys(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Tags that others put there (cost allocation, policies) are theirs; ours go when nothing wants them."""
    wrong = {key for key, text in after.items() if before.get(key) != text}
    return sorted(wrong | set(filter(remembers(before), before.keys() - after.keys())))


def update_step(kind: Kind, name: str, wanted: Resource, observed: Resource) -> Iterator[Step]:
    """One step that brings `observed` to `wanted`, or none."""
    changes = differences(wanted, observed, also=_COMPARED_IDS.get(kind, ()))
    if changes:
        yield Step(
            action=Action.UPDATE,
            kind=kind,
            name=name,
            reason=f"{len(changes)} of its attributes differ" if len(changes) > 1 else "an attribute differs",
            changes=changes,
            resource=wanted,
            observed=observed,
        )
