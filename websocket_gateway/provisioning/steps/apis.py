"""Steps on the API itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.provisioning.steps.tags import changes_more_than_tags, changes_tags, removed_tags

if TYPE_CHECKING:
    from websocket_gateway.provisioning.applying import Applying


def create_api(run: Applying, step: Step) -> None:
    """Create the API, and keep its id and address."""
    wanted: Any = step.resource
    api = run.apis.create_api(wanted)
    run.save(api_id=api.api_id, api_endpoint=api.api_endpoint, deployment_id="", api_created=False)


def update_api(run: Applying, step: Step) -> None:
    """Set the API's attributes, or its tags, or both."""
    wanted: Any = step.resource
    if changes_more_than_tags(step):
        run.apis.update_api(run.api_id, wanted)
    if changes_tags(step):
        run.apis.tag_api(run.api_id, wanted.tags)
    if unwanted := removed_tags(step):
        run.apis.untag_api(run.api_id, unwanted)


def delete_api(run: Applying, step: Step) -> None:
    """Delete the API with everything in it."""
    api: Any = step.resource
    run.apis.delete_api(api.api_id)
    if api.api_id == run.api_id:
        run.save(api_id="", api_endpoint="", deployment_id="", api_created=False)


DEEDS = {
    (Action.DELETE, Kind.API): delete_api,
    (Action.CREATE, Kind.API): create_api,
    (Action.UPDATE, Kind.API): update_api,
}
