"""Words for plans: as lines of text and as plain values for JSON. No other module words them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from django.core.serializers.json import DjangoJSONEncoder

from websocket_gateway.provisioning.plan import Action, AnyStep, Change, Plan, Unmanaged
from websocket_gateway.resources import Integration

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.WAIT: "."}
_DONE = {
    Action.CREATE: "Created",
    Action.UPDATE: "Updated",
    Action.DELETE: "Deleted",
    Action.WAIT: "Waited for",
}
_WOULD = {
    Action.CREATE: "Would create",
    Action.UPDATE: "Would update",
    Action.DELETE: "Would delete",
    Action.WAIT: "Would wait for",
}


def render_step(step: AnyStep, *, dry_run: bool) -> Iterator[str]:
    """One line for a step, and one for each attribute that it changes."""
    verb = (_WOULD if dry_run else _DONE)[step.action]
    yield f"{_SIGNS[step.action]} {verb} {step.kind.value} {step.name} ({step.reason})"
    if step.action is Action.CREATE and isinstance(step.resource, Integration):
        yield f"    {step.resource.integration_method} {step.resource.integration_uri}"
    for change in step.changes:
        yield f"    {_change(change)}"


def _change(change: Change) -> str:
    if change.attribute == "secret_fingerprint":
        return f"origin secret: {'another one' if change.before else 'none'} -> the current one"
    if change.attribute == "integration_id" and not change.after:
        return f"integration_id: {_value(change.before)} -> the new one"
    if change.attribute in ("target", "target_zone_id") and not change.after:
        return f"{change.attribute}: {_value(change.before)} -> that of the new domain"
    if change.before is None:
        return f"{change.attribute}: {_value(change.after)}"
    return f"{change.attribute}: {_value(change.before)} -> {_value(change.after)}"


def render_left(step: AnyStep) -> str:
    """One line for something that is there, is not wanted and stays."""
    advice = "" if step.action is Action.KEEP else "; left alone, sync_routes --prune deletes it"
    return f"! Unwanted {step.kind.value} {step.name} ({step.reason}{advice})"


def notes_of(plan: Plan) -> Iterator[str]:
    """Every note of a plan, one line each: values of others first."""
    yield from map(_unmanaged, plan.unmanaged)
    yield from plan.notes


def _unmanaged(item: Unmanaged) -> str:
    return (
        f"{item.kind.value} {item.name}: {item.attribute} is {_value(item.value)} in AWS and is not "
        f"configured; left alone (AWS's default is {_value(item.default)})"
    )


def render_plan(plan: Plan) -> Iterator[str]:
    """Every line of a plan that is not applied."""
    for step in plan:
        yield from render_step(step, dry_run=True)
    for step in plan.left:
        yield render_left(step)


def name_deletions(plan: Plan) -> str:
    """Everything that the plan deletes in AWS, in one line; empty if it deletes nothing there."""
    return ", ".join(f"{step.kind.value} {step.name}" for step in plan.deletions)


def plan_as_dict(plan: Plan) -> dict[str, object]:
    """A plan for `--format json`; see `management_docs/sync_routes.md` for the schema."""
    return {
        "gateway": plan.gateway,
        "drift": plan.drift,
        "steps": [_step_as_dict(step) for step in plan],
        "left": [_step_as_dict(step) for step in plan.left],
        "unmanaged": [_unmanaged_as_dict(item) for item in plan.unmanaged],
        "notes": list(plan.notes),
    }


def _unmanaged_as_dict(item: Unmanaged) -> dict[str, object]:
    return {
        "kind": item.kind.value,
        "name": item.name,
        "attribute": item.attribute,
        "value": _plain(item.value),
        "default": _plain(item.default),
    }


def _step_as_dict(step: AnyStep) -> dict[str, object]:
    return {
        "action": step.action.value,
        "kind": step.kind.value,
        "name": step.name,
        "reason": step.reason,
        "changes": [
            {"attribute": change.attribute, "before": change.before, "after": change.after}
            for change in step.changes
        ],
    }


def to_json(report: Mapping[str, object]) -> str:
    """`report` as indented JSON."""
    return json.dumps(report, indent=2, cls=DjangoJSONEncoder, ensure_ascii=False)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


def _value(value: object) -> str:
    return json.dumps(_plain(value), cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True)
