"""Tags are set by calls of their own, so a step must know whether it needs them."""

from __future__ import annotations

from typing import Final

from websocket_gateway.provisioning.plan import Step

_TAG: Final = "tags["


def changes_tags(step: Step) -> bool:
    """Whether any tag is to be set."""
    return any(change.attribute.startswith(_TAG) and change.after is not None for change in step.changes)


def removed_tags(step: Step) -> list[str]:
    """The keys of the tags that are to go."""
    return [
        change.attribute[len(_TAG) : -1]
        for change in step.changes
        if change.attribute.startswith(_TAG) and change.after is None
    ]


def changes_more_than_tags(step: Step) -> bool:
    """Whether anything beside tags is to be set."""
    return not all(change.attribute.startswith(_TAG) for change in step.changes)
