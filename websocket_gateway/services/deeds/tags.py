"""Tags are set by calls of their own, so a step must know whether it needs them."""

from __future__ import annotations

from websocket_gateway.planning.plans import Step


def changes_tags(step: Step) -> bool:
    """Whether any tag is to be set."""
    return any(change.attribute.startswith("tags[") for change in step.changes)


def changes_more_than_tags(step: Step) -> bool:
    """Whether anything beside tags is to be set."""
    return not all(change.attribute.startswith("tags[") for change in step.changes)
