"""The control plane: one small method for each call of `apigatewayv2`, dataclasses in and out.

Lists are read to the last page. Refusals for exceeding the account's rate (10 calls a second) are
waited out, since nothing has happened then. After a lost answer only calls that may be repeated are:
no token makes a create call idempotent, so its caller looks what happened.
https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/operations.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websocket_gateway.aws import shapes
from websocket_gateway.aws.errors import translated
from websocket_gateway.aws.session import control_plane_client, partition_of
from websocket_gateway.exceptions import (
    AWSError,
    EndpointUnreachableError,
    NotFoundError,
    ServiceError,
    ThrottledError,
)
from websocket_gateway.resources import Api, Deployment, Integration, Route, RouteResponse, Stage

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

_PAGE = "100"
_THROTTLED_ATTEMPTS = 6
_LOST_ATTEMPTS = 3
_BASE_SECONDS = 1.0


def no_progress(text: str) -> None:
    """Take a line about a wait and drop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apis:
    """Every call that a WebSocket API in one region needs."""

    region: str
    client: ApiGatewayV2Client = field(repr=False)
    """Makes one attempt a call; what is repeated is decided here."""
    origin_secret: Callable[[str], str] = field(repr=False)
    """API id -> the secret to send; resolved here and nowhere else."""
    on_wait: Callable[[str], None] = no_progress
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def in_region(cls, region: str, *, origin_secret: Callable[[str], str], **options: Any) -> Apis:
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
        items = self._pages("get_apis")
        return tuple(shapes.read_api(item) for item in items if item.get("ProtocolType") == "WEBSOCKET")

    def find_api(self, api_id: str) -> Api | None:
        """The API of that id; None if AWS does not know it."""
        try:
            return shapes.read_api(self._call("get_api", ApiId=api_id))
        except NotFoundError:
            return None

    def create_api(self, api: Api) -> Api:
        """Create a WebSocket API; its tags are part of the call, so it can be found again."""
        return shapes.read_api(
            self._create("create_api", ProtocolType="WEBSOCKET", Tags=dict(api.tags), **shapes.write_api(api))
        )

    def update_api(self, api_id: str, api: Api) -> None:
        """Set what `api` says; fields that are None stay."""
        self._call("update_api", ApiId=api_id, **shapes.write_api(api))

    def tag_api(self, api_id: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags of an API."""
        self._tag(f"/apis/{api_id}", tags)

    # Integrations

    def list_integrations(self, api_id: str) -> tuple[Integration, ...]:
        """Every integration of an API."""
        return tuple(shapes.read_integration(item) for item in self._pages("get_integrations", ApiId=api_id))

    def create_integration(self, api_id: str, integration: Integration) -> str:
        """Create an integration that carries the origin secret; answers its id."""
        fields = shapes.write_integration(integration, secret=self.origin_secret(api_id))
        return shapes.answered(self._create("create_integration", ApiId=api_id, **fields), "IntegrationId")

    def update_integration(self, api_id: str, integration: Integration, *, stale: Mapping[str, str]) -> None:
        """Set everything `integration` says and remove those of the `stale` parameters that it lacks."""
        fields = shapes.write_integration(integration, secret=self.origin_secret(api_id))
        # UpdateIntegration merges parameters; an empty value removes one.
        for key in stale.keys() - fields["RequestParameters"].keys():
            fields["RequestParameters"][key] = ""
        self._call("update_integration", ApiId=api_id, IntegrationId=integration.integration_id, **fields)

    # Routes

    def list_routes(self, api_id: str) -> tuple[Route, ...]:
        """Every route of an API."""
        return tuple(shapes.read_route(item) for item in self._pages("get_routes", ApiId=api_id))

    def create_route(self, api_id: str, route: Route) -> str:
        """Create a route; answers its id."""
        fields = shapes.write_route(route)
        if not route.route_response_selection_expression:
            del fields["RouteResponseSelectionExpression"]
        return shapes.answered(self._create("create_route", ApiId=api_id, **fields), "RouteId")

    def update_route(self, api_id: str, route: Route) -> None:
        """Set everything `route` says."""
        self._call("update_route", ApiId=api_id, RouteId=route.route_id, **shapes.write_route(route))

    def list_route_responses(self, api_id: str, route_id: str) -> tuple[RouteResponse, ...]:
        """Every response of one route; there is no list over an API."""
        items = self._pages("get_route_responses", ApiId=api_id, RouteId=route_id)
        return tuple(shapes.read_route_response(item) for item in items)

    def create_route_response(self, api_id: str, route_id: str, response: RouteResponse) -> str:
        """Make a route two-way; answers the response's id."""
        answer = self._create(
            "create_route_response",
            ApiId=api_id,
            RouteId=route_id,
            RouteResponseKey=response.route_response_key,
        )
        return shapes.answered(answer, "RouteResponseId")

    def delete_route_response(self, api_id: str, route_id: str, route_response_id: str) -> None:
        """Make a route one-way."""
        self._call("delete_route_response", ApiId=api_id, RouteId=route_id, RouteResponseId=route_response_id)

    # Stages and deployments

    def list_stages(self, api_id: str) -> tuple[Stage, ...]:
        """Every stage of an API."""
        return tuple(shapes.read_stage(item) for item in self._pages("get_stages", ApiId=api_id))

    def create_stage(self, api_id: str, stage: Stage) -> None:
        """Create a stage that serves nothing yet; its tags are part of the call."""
        fields = shapes.write_stage(stage)
        if fields.get("DefaultRouteSettings") == {"LoggingLevel": "OFF"}:
            del fields["DefaultRouteSettings"]  # a new stage is so by itself, with the account's throttling
        self._create("create_stage", ApiId=api_id, Tags=dict(stage.tags), **fields)

    def update_stage(self, api_id: str, stage: Stage) -> None:
        """Set what `stage` says; fields that are None stay."""
        self._call("update_stage", ApiId=api_id, **shapes.write_stage(stage))

    def tag_stage(self, api_id: str, stage_name: str, tags: Mapping[str, str]) -> None:
        """Add or replace tags of a stage."""
        self._tag(f"/apis/{api_id}/stages/{stage_name}", tags)

    def create_deployment(self, api_id: str, *, stage_name: str, description: str) -> Deployment:
        """Take a snapshot of the API and let the stage serve it; usually still PENDING."""
        return shapes.read_deployment(
            self._create("create_deployment", ApiId=api_id, StageName=stage_name, Description=description)
        )

    def find_deployment(self, api_id: str, deployment_id: str) -> Deployment | None:
        """The deployment of that id; None if AWS does not know it."""
        try:
            return shapes.read_deployment(
                self._call("get_deployment", ApiId=api_id, DeploymentId=deployment_id)
            )
        except NotFoundError:
            return None

    # The calls themselves

    def _tag(self, path: str, tags: Mapping[str, str]) -> None:
        arn = f"arn:{partition_of(self.region)}:apigateway:{self.region}::{path}"
        self._call("tag_resource", ResourceArn=arn, Tags=dict(tags))

    def _pages(self, operation: str, **arguments: Any) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            answer = self._call(operation, MaxResults=_PAGE, **arguments, **token)
            yield from _objects(answer.get("Items") or [], operation)
            following = answer.get("NextToken")
            if not following:
                return
            if token.get("NextToken") == following:
                raise _foreign(operation)
            token = {"NextToken": following}

    def _call(self, operation: str, **arguments: Any) -> Any:
        return self._patiently(operation, arguments, repeatable=True)

    def _create(self, operation: str, **arguments: Any) -> Any:
        return self._patiently(operation, arguments, repeatable=False)

    def _patiently(self, operation: str, arguments: dict[str, Any], *, repeatable: bool) -> Any:
        name = _name(operation)
        attempt = 0
        while True:
            attempt += 1
            try:
                with translated(name):
                    answer = getattr(self.client, operation)(**arguments)
                if not isinstance(answer, dict):
                    raise _foreign(operation)
                return answer
            except (ThrottledError, EndpointUnreachableError, ServiceError) as exc:
                if attempt >= _attempts_after(exc, repeatable=repeatable):
                    raise
                self._pause(name, exc, attempt)

    def _pause(self, name: str, exc: AWSError, attempt: int) -> None:
        longest = _BASE_SECONDS * 2 ** (attempt - 1)
        seconds = random.uniform(longest / 2, longest)  # noqa: S311 - jitter
        why = "AWS limits the rate of" if isinstance(exc, ThrottledError) else "No answer to"
        self.on_wait(f"{why} {name}; trying again in {seconds:.1f} s")
        self.sleep(seconds)


def _objects(items: Any, operation: str) -> list[Any]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _foreign(operation)
    return items


def _foreign(operation: str) -> ServiceError:
    return ServiceError(f"{_name(operation)}: the answer is none of API Gateway's. Is ENDPOINT_URL right?")


def _name(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def _attempts_after(exc: AWSError, *, repeatable: bool) -> int:
    if isinstance(exc, ThrottledError):
        return _THROTTLED_ATTEMPTS
    return _LOST_ATTEMPTS if repeatable else 1
