"""Marks by which our resources in AWS are recognised: tags, or the description where AWS has no tags."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from websocket_gateway.resources import INSTALLATION_TAG, TAGS_TAG, UUID_TAG, Integration, WantedGateway

_INTEGRATION: Final = re.compile(
    r"websocket_gateway (?P<uuid>[0-9a-f-]{36}) (?P<installation>[0-9a-f]+) (?P<route_key>.+)", re.DOTALL
)
_DEPLOYMENT: Final = re.compile(r"websocket_gateway (?P<structure>[0-9a-f]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The owner of a resource: the row's UUID and the installation's fingerprint."""

    uuid: str
    installation: str

    @property
    def tags(self) -> dict[str, str]:
        """The mark as tags."""
        return {UUID_TAG: self.uuid, INSTALLATION_TAG: self.installation}

    def integration_description(self, route_key: str) -> str:
        """The mark of the integration behind `route_key`."""
        return f"websocket_gateway {self.uuid} {self.installation} {route_key}"


def read_tags(tags: Mapping[str, str]) -> Mark | None:
    """The mark in a resource's tags; None if there is none."""
    if UUID_TAG not in tags:
        return None
    return Mark(uuid=tags[UUID_TAG], installation=tags.get(INSTALLATION_TAG, ""))


def lost_installation(mark: Mark, uuid: str) -> bool:
    """Whether the mark is the row's with that UUID, without its other tag, which was removed by hand."""
    return mark.uuid == uuid and not mark.installation


def is_marked(tags: Mapping[str, str], uuid: str) -> bool:
    """Whether these tags hold the mark of the row with that UUID."""
    mark = read_tags(tags)
    return mark is not None and mark.uuid == uuid


def marked_route_key(integration: Integration, uuid: str) -> str | None:
    """The route key that this integration was made for, if it carries the row's UUID."""
    found = _INTEGRATION.fullmatch(integration.description)
    return found["route_key"] if found and found["uuid"] == uuid else None


_DIGITS: Final = 6
MAX_OWN_TAGS: Final = 256 // _DIGITS
"""How many tags one tag's value can remember."""


def remembering(tags: Mapping[str, str]) -> dict[str, str]:
    """The tag that remembers that `tags` are ours; none where there are none."""
    return {TAGS_TAG: "".join(sorted(map(_digest, tags)))} if tags else {}


def remembers(tags: Mapping[str, str]) -> Callable[[str], bool]:
    """A function: whether a run of ours ever set a tag of that key on a resource with these `tags`."""
    told = tags.get(TAGS_TAG, "")
    ours = {told[start : start + _DIGITS] for start in range(0, len(told), _DIGITS)}
    return lambda key: key == TAGS_TAG or _digest(key) in ours


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:_DIGITS]


def structure_of(wanted: WantedGateway) -> str:
    """A digest of everything that is served only after a deployment."""
    parts = [
        wanted.api.route_selection_expression,
        wanted.api.api_key_selection_expression,
        wanted.api.disable_execute_api_endpoint or None,  # AWS's default, configured or not
        [
            [route.route_key, route.two_way, _plain(route.integration)]
            for route in sorted(wanted.routes, key=lambda route: route.route_key)
        ],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def deployment_description(wanted: WantedGateway) -> str:
    """The description of our deployments, by which a later run recognises them."""
    return f"websocket_gateway {structure_of(wanted)}"


def deployed_structure(description: str) -> str | None:
    """The digest that a deployment's description holds; None if it is not one of ours."""
    found = _DEPLOYMENT.fullmatch(description)
    return found["structure"] if found else None


def _plain(integration: Integration) -> dict[str, object]:
    """Without the secret: unknown before the API exists, and rotated together with the description's mark."""
    fields = {name: getattr(integration, name) for name in integration.__slots__}
    del fields["secret_fingerprint"], fields["integration_id"]
    return {**fields, "request_parameters": dict(integration.request_parameters)}
