"""What the adoption of an API changes for its clients beyond what a diff makes plain."""

from __future__ import annotations

from collections.abc import Iterator

from websocket_gateway.resources import ObservedGateway, WantedGateway


def adoption_notes(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[str]:
    """A note on protection that is removed from routes, and one on a stage that is created beside others."""
    keys = {want.route_key for want in wanted.routes}
    for route in observed.routes:
        if route.route_key not in keys:
            continue
        if route.authorization_type not in ("", "NONE"):
            yield f"the authorization {route.authorization_type} of route {route.route_key} is removed"
        if route.api_key_required:
            yield f"route {route.route_key} needs no API key any more"
    name = wanted.stage.stage_name
    if observed.stages and observed.find_stage(name) is None:
        others = ", ".join(sorted(stage.stage_name for stage in observed.stages))
        yield f"the stage {name} is created beside {others}, which clients may use; --stage NAME keeps one"
