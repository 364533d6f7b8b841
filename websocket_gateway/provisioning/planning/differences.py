"""Compares a wanted resource with an observed one, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Final, TypeVar

from websocket_gateway.provisioning.plan import Action, AnyStep, Change, Kind, Step
from websocket_gateway.provisioning.planning.marks import remembers
from websocket_gateway.resources import OPTIONS_TAG, Resource

R = TypeVar("R", bound=Resource)

_TAG: Final = "tags["
"""How the attribute of a single tag begins."""
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
    "set_identifier",
}
"""Values that AWS chooses: never wanted, so never compared."""
_COMPARED_IDS: Final = {
    Kind.ROUTE: ("integration_id",),
    Kind.API_MAPPING: ("api_id",),
    Kind.DNS_RECORD: ("target", "target_zone_id"),
}
"""Ids that are compared nevertheless, because they say where something leads to."""


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


def _same(name: str, before: object, after: object) -> bool:
    if not isinstance(after, Mapping):
        return before == after
    present = before if isinstance(before, Mapping) else {}
    return not _tag_keys(present, after) if name == "tags" else dict(present) == dict(after)


def _changes(name: str, before: object, after: object) -> list[Change]:
    if not isinstance(after, Mapping):
        return [Change(attribute=name, before=before, after=after)]
    present = before if isinstance(before, Mapping) else {}
    if name == "tags":
        keys = _tag_keys(present, after)
    else:
        keys = [key for key in sorted({*present, *after}) if present.get(key) != after.get(key)]
    return [Change(attribute=f"{name}[{key}]", before=present.get(key), after=after.get(key)) for key in keys]


def _tag_keys(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Tags of others (cost allocation, policies) stay; ours are removed when they are not wanted."""
    wrong = {key for key, text in after.items() if before.get(key) != text}
    ours = remembers(before)
    return sorted(wrong | {key for key in before.keys() - after.keys() if key == OPTIONS_TAG or ours(key)})


def update_step(kind: Kind, name: str, wanted: R, observed: R) -> Iterator[Step[R]]:
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


def changes_tags(step: AnyStep) -> bool:
    """Whether any tag is to be set: tags are set by calls of their own."""
    return any(change.attribute.startswith(_TAG) and change.after is not None for change in step.changes)


def removed_tags(step: AnyStep) -> list[str]:
    """The keys of the tags that are to be removed."""
    return [
        change.attribute[len(_TAG) : -1]
        for change in step.changes
        if change.attribute.startswith(_TAG) and change.after is None
    ]


def changes_more_than_tags(step: AnyStep) -> bool:
    """Whether anything beside tags is to be set."""
    return not all(change.attribute.startswith(_TAG) for change in step.changes)
