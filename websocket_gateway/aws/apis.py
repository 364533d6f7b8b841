"""The control plane: one small method for each call of `apigatewayv2`, dataclasses in and out.

https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/operations.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websocket_gateway.aws import shapes
from websocket_gateway.aws.calls import CallOptions, Calls, no_progress
from websocket_gateway.aws.clients import control_plane_client, partition_of
from websocket_gateway.exceptions import AWSError, NotFoundError
from websocket_gateway.resources import Api, Deployment, Integration, Route, RouteResponse, Stage

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Apis", "no_progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apis(Calls):
    """Every call that a WebSocket API in one region needs."""

    origin_secret: Callable[[str], str] = field(repr=False)
    """API id -> the secret to send; resolved here and nowhere else."""

    @classmethod
    def in_region(
        cls, region: str, *, origin_secret: Callable[[str], str], **options: Unpack[CallOptions]
    ) -> Apis:
        """The adapter for `region`, over a client built from the settings."""
        return cls(
            region=region,
            client=control_plane_client(region),
            origin_secret=origin_secret,
            **options,
        )

    # APIs

    def list_apis(self) -> tuple[Api, ...]:
        """Every WebSocket API of the account in this region."""
        items = self.pages("get_apis")
        return tuple(shapes.read_api(item) for item in items if item.get("ProtocolType") == "WEBSOCKET")

    def find_api(self, api_id: str) -> Api | None:
        """The API of that id; None if AWS does not know it."""
        try:
            return shapes.read_api(self.call("get_api", ApiId=api_id))
        except NotFoundError:
            return None

    def create_api(self, api: Api) -> Api:
        """Create a WebSocket API; its tags are part of the call, so it can be found again."""
        return shapes.read_api(
            self.create("create_api", ProtocolType="WEBSOCKET", Tags=dict(api.tags), **shapes.write_api(api))
        )

    def update_api(self, api_id: str, api: Api) -> None:
        """Set what `api` says; fields that are None are not changed."""
        self.call("update_api", ApiId=api_id, **shapes.write_api(api))

    def tag_api(self, api_id: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags of an API."""
        self.call("tag_resource", ResourceArn=self._arn(f"/apis/{api_id}"), Tags=dict(tags))

    def untag_api(self, api_id: str, keys: Iterable[str]) -> None:
        """Take tags off an API."""
        self.call("untag_resource", ResourceArn=self._arn(f"/apis/{api_id}"), TagKeys=list(keys))

    def delete_api(self, api_id: str) -> None:
        """Delete an API with everything in it."""
        self.delete("delete_api", ApiId=api_id)

    # Integrations

    def list_integrations(self, api_id: str) -> tuple[Integration, ...]:
        """Every integration of an API."""
        return tuple(shapes.read_integration(item) for item in self.pages("get_integrations", ApiId=api_id))

    def create_integration(self, api_id: str, integration: Integration) -> str:
        """Create an integration that carries the origin secret; returns its id."""
        secret = self.origin_secret(api_id)
        fields = shapes.write_integration(integration, secret=secret)
        with _kept_out_of_errors(secret):
            answer = self.create("create_integration", ApiId=api_id, **fields)
        return shapes.answered(answer, "IntegrationId")

    def update_integration(self, api_id: str, integration: Integration, *, stale: Mapping[str, str]) -> None:
        """Set everything `integration` says and remove those of the `stale` parameters that it lacks."""
        secret = self.origin_secret(api_id)
        fields = shapes.write_integration(integration, secret=secret)
        # UpdateIntegration merges parameters; an empty value removes one.
        for key in stale.keys() - fields["RequestParameters"].keys():
            fields["RequestParameters"][key] = ""
        with _kept_out_of_errors(secret):
            self.call("update_integration", ApiId=api_id, IntegrationId=integration.integration_id, **fields)

    def delete_integration(self, api_id: str, integration_id: str) -> None:
        """Delete an integration that no route targets."""
        self.delete("delete_integration", ApiId=api_id, IntegrationId=integration_id)

    # Routes

    def list_routes(self, api_id: str) -> tuple[Route, ...]:
        """Every route of an API."""
        return tuple(shapes.read_route(item) for item in self.pages("get_routes", ApiId=api_id))

    def create_route(self, api_id: str, route: Route) -> str:
        """Create a route; returns its id."""
        fields = shapes.write_route(route)
        if not route.route_response_selection_expression:
            del fields["RouteResponseSelectionExpression"]
        return shapes.answered(self.create("create_route", ApiId=api_id, **fields), "RouteId")

    def update_route(self, api_id: str, route: Route) -> None:
        """Set everything `route` says."""
        self.call("update_route", ApiId=api_id, RouteId=route.route_id, **shapes.write_route(route))

    def delete_route(self, api_id: str, route_id: str) -> None:
        """Delete a route, with its responses."""
        self.delete("delete_route", ApiId=api_id, RouteId=route_id)

    def delete_route_parameter(self, api_id: str, route_id: str, name: str) -> None:
        """Let a route ask for one request parameter less."""
        self.delete(
            "delete_route_request_parameter", ApiId=api_id, RouteId=route_id, RequestParameterKey=name
        )

    def list_route_responses(self, api_id: str, route_id: str) -> tuple[RouteResponse, ...]:
        """Every response of one route; there is no list over an API."""
        items = self.pages("get_route_responses", ApiId=api_id, RouteId=route_id)
        return tuple(shapes.read_route_response(item) for item in items)

    def list_responses_of(
        self, api_id: str, route_ids: Iterable[str]
    ) -> dict[str, tuple[RouteResponse, ...]]:
        """The responses of several routes by route id, read side by side and under the account's rate."""
        return self.side_by_side(route_ids, lambda route_id: self.list_route_responses(api_id, route_id))

    def create_route_response(self, api_id: str, route_id: str, response: RouteResponse) -> str:
        """Make a route two-way; returns the response's id."""
        answer = self.create(
            "create_route_response",
            ApiId=api_id,
            RouteId=route_id,
            RouteResponseKey=response.route_response_key,
        )
        return shapes.answered(answer, "RouteResponseId")

    def delete_route_response(self, api_id: str, route_id: str, route_response_id: str) -> None:
        """Make a route one-way."""
        self.delete(
            "delete_route_response", ApiId=api_id, RouteId=route_id, RouteResponseId=route_response_id
        )

    # Stages and deployments

    def list_stages(self, api_id: str) -> tuple[Stage, ...]:
        """Every stage of an API."""
        return tuple(shapes.read_stage(item) for item in self.pages("get_stages", ApiId=api_id))

    def create_stage(self, api_id: str, stage: Stage) -> None:
        """Create a stage that serves nothing yet; its tags are part of the call."""
        fields = shapes.write_stage(stage)
        if fields.get("DefaultRouteSettings") == {"LoggingLevel": "OFF", "DataTraceEnabled": False}:
            del fields["DefaultRouteSettings"]  # the default of a new stage, with the account's throttling
        self.create("create_stage", ApiId=api_id, Tags=dict(stage.tags), **fields)

    def update_stage(self, api_id: str, stage: Stage, *, stale: Iterable[str] = ()) -> None:
        """Set what `stage` says, remove the `stale` stage variables; fields that are None are not changed."""
        fields = shapes.write_stage(stage)
        # UpdateStage merges variables; an empty value removes one.
        if removed := dict.fromkeys(stale, ""):
            fields["StageVariables"] = {**(stage.stage_variables or {}), **removed}
        self.call("update_stage", ApiId=api_id, **fields)

    def serve_deployment(self, api_id: str, stage_name: str, deployment_id: str) -> None:
        """Let a stage serve a deployment that another stage serves already."""
        self.call("update_stage", ApiId=api_id, StageName=stage_name, DeploymentId=deployment_id)

    def delete_access_log(self, api_id: str, stage_name: str) -> None:
        """Stop writing the access log of a stage."""
        self.delete("delete_access_log_settings", ApiId=api_id, StageName=stage_name)

    def tag_stage(self, api_id: str, stage_name: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags of a stage."""
        arn = self._arn(f"/apis/{api_id}/stages/{stage_name}")
        self.call("tag_resource", ResourceArn=arn, Tags=dict(tags))

    def untag_stage(self, api_id: str, stage_name: str, keys: Iterable[str]) -> None:
        """Take tags off a stage."""
        arn = self._arn(f"/apis/{api_id}/stages/{stage_name}")
        self.call("untag_resource", ResourceArn=arn, TagKeys=list(keys))

    def delete_stage(self, api_id: str, stage_name: str) -> None:
        """Delete a stage, which ends every connection through it."""
        self.delete("delete_stage", ApiId=api_id, StageName=stage_name)

    def delete_route_settings(self, api_id: str, stage_name: str, route_key: str) -> None:
        """Apply the stage's own settings to a route again."""
        self.delete("delete_route_settings", ApiId=api_id, StageName=stage_name, RouteKey=route_key)

    def create_deployment(self, api_id: str, *, stage_name: str, description: str) -> Deployment:
        """Take a snapshot of the API and let the stage serve it; usually still PENDING."""
        return shapes.read_deployment(
            self.create("create_deployment", ApiId=api_id, StageName=stage_name, Description=description)
        )

    def find_deployment(self, api_id: str, deployment_id: str) -> Deployment | None:
        """The deployment of that id; None if AWS does not know it."""
        try:
            return shapes.read_deployment(
                self.call("get_deployment", ApiId=api_id, DeploymentId=deployment_id)
            )
        except NotFoundError:
            return None

    def _arn(self, path: str) -> str:
        return f"arn:{partition_of(self.region)}:apigateway:{self.region}::{path}"


@contextmanager
def _kept_out_of_errors(secret: str) -> Iterator[None]:
    """AWS quotes invalid values in its refusals; the secret must not come back that way."""
    try:
        yield
    except AWSError as exc:
        if secret not in str(exc):
            raise
        message = str(exc).replace(secret, "(secret)")
        raise type(exc)(
            message, operation=exc.operation, code=exc.code, status=exc.status, request_id=exc.request_id
        ) from None
