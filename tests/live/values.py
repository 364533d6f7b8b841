"""Single calls: what is written and what is read back. What comes back otherwise would be drift for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from tests.live.targets import Target
from websocket_gateway.aws.apis import Apis
from websocket_gateway.context_headers import CONTEXT_HEADERS, STATIC_HEADERS
from websocket_gateway.exceptions import AWSError
from websocket_gateway.origin_secret import installation_fingerprint
from websocket_gateway.provisioning.planning.differences import differences
from websocket_gateway.resources import (
    INSTALLATION_TAG,
    Api,
    Integration,
    Resource,
    Route,
    RouteResponse,
    Stage,
    frozen,
)

PREFIX = "integration.request.header."
AS_WRITTEN = "as written"
SECRET = "0123456789abcdef" * 4
STAGE = "production"
_HEADERS = {**CONTEXT_HEADERS, **{name: f"'{value}'" for name, value in STATIC_HEADERS.items()}}
WANTED_API = Api(
    name="live-values",
    description="Über & co",
    route_selection_expression="$request.body.action",
    api_key_selection_expression="$request.header.x-api-key",
    disable_execute_api_endpoint=False,
    ip_address_type="ipv4",
)
WANTED_INTEGRATION = Integration(
    description="live",
    integration_uri="https://www.example.com/ws/default?x=1",
    timeout_in_millis=20_000,
    request_parameters=frozen({PREFIX + name: value for name, value in _HEADERS.items()}),
)
WANTED_STAGE = Stage(
    stage_name=STAGE,
    description="For everybody",
    throttling_rate_limit=100.0,
    throttling_burst_limit=200,
    stage_variables=frozen({"colour": "blue", "url": "https://a.example/x?y=1&z=2"}),
)


@dataclass
class Bench:
    """An API for single calls."""

    target: Target
    aws: Any
    api_id: str = ""

    @property
    def apis(self) -> Apis:
        """The package's own adapter, over the target."""
        return Apis(region=self.target.region, client=self.aws, origin_secret=lambda api_id: SECRET)

    def arn(self, path: str = "") -> str:
        return f"arn:{self.aws.meta.partition}:apigateway:{self.target.region}::/apis/{self.api_id}{path}"

    def add_integration(self, **fields: Any) -> str:
        wanted = {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "POST",
            "IntegrationUri": "https://www.example.com/x",
        }
        return str(self.aws.create_integration(ApiId=self.api_id, **{**wanted, **fields})["IntegrationId"])

    def add_route(self, key: str, **fields: Any) -> str:
        made = self.aws.create_route(
            ApiId=self.api_id, RouteKey=key, Target=f"integrations/{self.add_integration()}", **fields
        )
        return str(made["RouteId"])

    def add_stage(self, name: str, **fields: Any) -> None:
        self.aws.create_stage(ApiId=self.api_id, StageName=name, **fields)

    def stage(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.aws.get_stage(ApiId=self.api_id, StageName=name)
        return found

    def update_stage(self, name: str, **changes: Any) -> dict[str, Any]:
        self.aws.update_stage(ApiId=self.api_id, StageName=name, **changes)
        return self.stage(name)


def seen_as(wanted: Resource, found: Resource | None) -> str:
    """`as written`, or every attribute that came back otherwise."""
    if found is None:
        return "not found"
    changes = differences(wanted, found)
    return "; ".join(f"{item.attribute}: {item.after!r} -> {item.before!r}" for item in changes) or AS_WRITTEN


def outcome(call: Callable[[], object]) -> str:
    """`done`, or the code of the refusal."""
    try:
        call()
    except ClientError as exc:
        return str(exc.response["Error"]["Code"])
    except AWSError as exc:
        return exc.code
    return "done"


T = TypeVar("T")


def seen_on(
    place: Callable[[Target], AbstractContextManager[T]], target: Target, attempt: Callable[[T], object]
) -> object:
    """What an attempt sees, or how it failed, to the last detail: it is for a report from afar."""
    try:
        with place(target) as made:
            return attempt(made)
    except Exception as exc:  # noqa: BLE001 - it is what was seen
        return f"{type(exc).__name__}: {exc}"


@contextmanager
def bench_on(target: Target) -> Iterator[Bench]:
    """A bench with its API, which is deleted in the end."""
    bench = Bench(target, target.client("apigatewayv2"))
    tags = {INSTALLATION_TAG: installation_fingerprint(), "team": "web"}
    made = bench.apis.create_api(replace(WANTED_API, tags=frozen(tags)))
    bench.api_id = made.api_id
    try:
        yield bench
    finally:
        bench.apis.delete_api(made.api_id)


def _api_created(bench: Bench) -> str:
    return seen_as(WANTED_API, bench.apis.find_api(bench.api_id))


def _api_listed(bench: Bench) -> str:
    found = (api for api in bench.apis.list_apis() if api.api_id == bench.api_id)
    return seen_as(WANTED_API, next(found, None))


def _api_updated(bench: Bench) -> str:
    changed = replace(
        WANTED_API,
        description="",
        route_selection_expression="$request.body.type",
        disable_execute_api_endpoint=True,
        ip_address_type="dualstack",
    )
    bench.apis.update_api(bench.api_id, changed)
    return seen_as(changed, bench.apis.find_api(bench.api_id))


def _api_tagged(bench: Bench) -> dict[str, str]:
    bench.aws.tag_resource(ResourceArn=bench.arn(), Tags={"team": "ops", "cost": "7"})
    bench.aws.untag_resource(ResourceArn=bench.arn(), TagKeys=["cost"])
    tags = bench.aws.get_api(ApiId=bench.api_id)["Tags"]
    return {key: text for key, text in tags.items() if key in ("team", "cost")}


def _integration_created(bench: Bench) -> str:
    made = bench.apis.create_integration(bench.api_id, WANTED_INTEGRATION)
    found = (item for item in bench.apis.list_integrations(bench.api_id) if item.integration_id == made)
    seen = next(found, None)
    return seen_as(
        replace(WANTED_INTEGRATION, secret_fingerprint=seen.secret_fingerprint if seen else ""), seen
    )


def _parameters_merged(bench: Bench) -> str:
    made = bench.add_integration(RequestParameters={PREFIX + "a": "'1'", PREFIX + "b": "'2'"})
    changes = {PREFIX + "b": "", PREFIX + "c": "'3'"}
    bench.aws.update_integration(ApiId=bench.api_id, IntegrationId=made, RequestParameters=changes)
    found = bench.aws.get_integration(ApiId=bench.api_id, IntegrationId=made).get("RequestParameters") or {}
    return " ".join(f"{key.removeprefix(PREFIX)}={value}" for key, value in sorted(found.items()))


def _integration_in_use(bench: Bench) -> str:
    made = bench.add_integration()
    bench.aws.create_route(ApiId=bench.api_id, RouteKey="in-use", Target=f"integrations/{made}")
    return outcome(lambda: bench.aws.delete_integration(ApiId=bench.api_id, IntegrationId=made))


def _route_created(bench: Bench) -> str:
    wanted = Route(
        route_key="created",
        integration_id=bench.add_integration(),
        route_response_selection_expression="$default",
    )
    made = bench.apis.create_route(bench.api_id, wanted)
    found = (item for item in bench.apis.list_routes(bench.api_id) if item.route_id == made)
    return seen_as(wanted, next(found, None))


def _route_twice(bench: Bench) -> str:
    bench.add_route("twice")
    return outcome(lambda: bench.add_route("twice"))


def _selection_removed(bench: Bench) -> str:
    made = bench.add_route("one-way", RouteResponseSelectionExpression="$default")
    bench.aws.update_route(ApiId=bench.api_id, RouteId=made, RouteResponseSelectionExpression="")
    found = bench.aws.get_route(ApiId=bench.api_id, RouteId=made)
    return repr(found.get("RouteResponseSelectionExpression") or "")


def _response_listed(bench: Bench) -> str:
    made = bench.add_route("two-way")
    bench.apis.create_route_response(bench.api_id, made, RouteResponse())
    return ", ".join(item.route_response_key for item in bench.apis.list_route_responses(bench.api_id, made))


def _authorization_elsewhere(bench: Bench) -> str:
    return outcome(lambda: bench.add_route("guarded", AuthorizationType="AWS_IAM"))


def _parameter_not_required(bench: Bench) -> str:
    name = "route.request.querystring.token"
    made = bench.add_route("$connect", RequestParameters={name: {"Required": True}})
    bench.apis.delete_route_parameter(bench.api_id, made, name)
    found = bench.aws.get_route(ApiId=bench.api_id, RouteId=made)
    return ", ".join(found.get("RequestParameters") or {}) or "none"


def _unknown_api(bench: Bench) -> str:
    return outcome(lambda: bench.aws.get_routes(ApiId="0000000000"))


def _pages(bench: Bench) -> str:
    for number in range(3):
        bench.add_integration(Description=f"page {number}")
    page = bench.aws.get_integrations(ApiId=bench.api_id, MaxResults="2")
    return f"{len(page['Items'])} items, {'more' if page.get('NextToken') else 'no more'}"


CASES: dict[str, tuple[object, Callable[[Bench], object]]] = {
    "API created": (AS_WRITTEN, _api_created),
    "API in the list": (AS_WRITTEN, _api_listed),
    "API's tags": ({"team": "ops"}, _api_tagged),
    "API updated": (AS_WRITTEN, _api_updated),
    "integration created": (AS_WRITTEN, _integration_created),
    "UpdateIntegration merges, an empty value removes": ("a='1' c='3'", _parameters_merged),
    "integration of a route deleted": ("ConflictException", _integration_in_use),
    "route created": (AS_WRITTEN, _route_created),
    "a second route of a key": ("ConflictException", _route_twice),
    "response selection removed": ("''", _selection_removed),
    "route response": ("$default", _response_listed),
    "authorization of a route other than $connect": ("BadRequestException", _authorization_elsewhere),
    "required parameter removed": ("none", _parameter_not_required),
    "routes of an unknown API": ("NotFoundException", _unknown_api),
    "a page of two": ("2 items, more", _pages),
}
