"""Everything in which a gateway in AWS can differ, each with what `sync_routes` says and does about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.factories import ApiGatewayAdditionalRouteFactory
from tests.support.drift import HEADER, Site
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.planning.marks import Mark


@dataclass(frozen=True)
class Difference:
    """One thing that is not as wanted."""

    name: str
    make: Callable[[Site], object]
    named: str
    """What `--check` must say of it."""
    changes: int
    """Calls that change something until it is mended; a deployment is one of them."""
    options: tuple[str, ...] = ()
    """What `sync_routes` must be told to mend it."""
    needs: str = ""
    """`store`: only a local gateway takes it. `logs`: a log group, and the account's role."""


def delete_route_and_integration(site: Site) -> None:
    integration_id = site.integration_id("move")
    site.aws.delete_route(ApiId=site.api_id, RouteId=site.route("move")["RouteId"])
    site.aws.delete_integration(ApiId=site.api_id, IntegrationId=integration_id)


def duplicate_route(site: Site) -> None:
    # The control plane refuses a second route of a key; a race in AWS might not.
    record = site.record()
    first = next(item for item in record.routes.values() if item["routeKey"] == "move")
    record.routes["r999999"] = {**first, "routeId": "r999999"}


def duplicate_integration(site: Site) -> None:
    mark = Mark(uuid=str(site.row.uuid), installation="0" * 16)
    site.add_integration(Description=mark.integration_description("move"))


def deploy_by_hand(site: Site) -> None:
    site.aws.create_deployment(ApiId=site.api_id, StageName="production", Description="by hand")


def deploy_a_change_and_undo_it(site: Site) -> None:
    site.change_integration("move", TimeoutInMillis=1000)
    deploy_by_hand(site)
    site.change_integration("move", TimeoutInMillis=20_000)


def serve_an_older_deployment(site: Site) -> None:
    stage = site.aws.get_stage(ApiId=site.api_id, StageName="production")
    site.change_integration("move", TimeoutInMillis=1000)
    older = site.aws.create_deployment(ApiId=site.api_id)["DeploymentId"]
    site.change_integration("move", TimeoutInMillis=20_000)
    assert older != stage["DeploymentId"]
    site.change_stage(DeploymentId=older)


def delete_response(site: Site) -> None:
    route_id = site.route("$default")["RouteId"]
    (response,) = site.aws.get_route_responses(ApiId=site.api_id, RouteId=route_id)["Items"]
    site.aws.delete_route_response(
        ApiId=site.api_id, RouteId=route_id, RouteResponseId=response["RouteResponseId"]
    )


def stray_response(site: Site) -> None:
    site.aws.create_route_response(
        ApiId=site.api_id, RouteId=site.route("move")["RouteId"], RouteResponseKey="$default"
    )


def require_a_parameter(site: Site) -> None:
    name = "route.request.querystring.token"
    site.change_route("$connect", RequestParameters={name: {"Required": True}})


def swap_targets(site: Site) -> None:
    default, move = site.integration_id("$default"), site.integration_id("move")
    site.change_route("$default", Target=f"integrations/{move}")
    site.change_route("move", Target=f"integrations/{default}")


def create_stage_again(site: Site) -> None:
    site.aws.delete_stage(ApiId=site.api_id, StageName="production")
    site.aws.create_stage(ApiId=site.api_id, StageName="production")


def switch_traffic_off(site: Site) -> None:
    site.change_stage(DefaultRouteSettings={"ThrottlingRateLimit": 0.0, "ThrottlingBurstLimit": 0})


def log_elsewhere(site: Site) -> None:
    arn = site.options["ACCESS_LOG_ARN"]
    logs = {"DestinationArn": f"{arn}-other", "Format": site.options["ACCESS_LOG_FORMAT"]}
    site.change_stage(AccessLogSettings=logs)


def delete_every_route(site: Site) -> None:
    for item in site.aws.get_routes(ApiId=site.api_id)["Items"]:
        site.aws.delete_route(ApiId=site.api_id, RouteId=item["RouteId"])


def map_query(site: Site) -> None:
    site.change_integration(
        "move", RequestParameters={"integration.request.querystring.id": "context.connectionId"}
    )


def log_another_format(site: Site) -> None:
    logs = {"DestinationArn": site.options["ACCESS_LOG_ARN"], "Format": "$context.requestId"}
    site.change_stage(AccessLogSettings=logs)


def limit_one_route(site: Site) -> None:
    limits = {"ThrottlingRateLimit": 1.0, "ThrottlingBurstLimit": 1}
    site.change_stage(RouteSettings={"move": limits})


def add_a_row(site: Site) -> None:
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=site.row,
        route_key="leave",
        integration_url="https://www.example.com/leave",
        two_way=False,
    )


def parameter(name: str, value: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.change_integration("move", RequestParameters={HEADER + name: value})

    return change


def stage_setting(**changes: Any) -> Callable[[Site], None]:
    return lambda site: site.change_stage(DefaultRouteSettings=changes)


def api(**changes: Any) -> Callable[[Site], None]:
    return lambda site: site.aws.update_api(ApiId=site.api_id, **changes)


def integration(**changes: Any) -> Callable[[Site], None]:
    return lambda site: site.change_integration("move", **changes)


def route(route_key: str, **changes: Any) -> Callable[[Site], None]:
    return lambda site: site.change_route(route_key, **changes)


def row(**changes: Any) -> Callable[[Site], object]:
    return lambda site: ApiGateway.objects.filter(pk=site.row.pk).update(**changes)


def taken_back(*keys: str) -> Callable[[Site], None]:
    return lambda site: site.take_back(*keys)


def applied_and_taken_back(**options: Any) -> Callable[[Site], None]:
    def make(site: Site) -> None:
        site.configure({**site.options, **options})
        assert site.sync().status == 0
        site.take_back(*options)

    return make


def earlier_stage(site: Site) -> None:
    tags = site.aws.get_stage(ApiId=site.api_id, StageName="production")["Tags"]
    site.aws.create_stage(ApiId=site.api_id, StageName="v0", Tags=tags)


def live_stage(site: Site) -> None:
    ApiGateway.objects.update(deployed_stage="v0")


STAGE = "/stages/production"
TABLE = [
    # The API
    Difference("name", api(Name="other"), 'name: "other" -> "', 1),
    Difference("description", api(Description="by hand"), 'description: "by hand" -> "Live"', 1),
    Difference(
        "selection", api(RouteSelectionExpression="$request.body.x"), "route_selection_expression: ", 2
    ),
    Difference(
        "api key", api(ApiKeySelectionExpression="$context.authorizer.usageIdentifierKey"), "api_key_", 2
    ),
    Difference("disabled", api(DisableExecuteApiEndpoint=True), "disable_execute_api_endpoint: true", 2),
    Difference("dual-stack", api(IpAddressType="dualstack"), 'ip_address_type: "dualstack" -> "ipv4"', 1),
    Difference("tag changed", lambda site: site.tag(team="ops"), 'tags[team]: "ops" -> "web"', 1),
    Difference("tag removed", lambda site: site.untag("team"), 'tags[team]: "web"', 1),
    Difference("tag of the settings", lambda site: site.tag(cost="8"), 'tags[cost]: "8" -> "7"', 1),
    Difference("mark removed", lambda site: site.untag("websocket_gateway:uuid"), "tags[websocket_ga", 1),
    Difference("tag gone from the row", row(tags={}), 'tags[team]: "web" -> null', 4),
    Difference("description emptied", api(Description=""), 'description: "" -> "Live"', 1),
    # Integrations
    Difference(
        "URL", integration(IntegrationUri="https://www.example.com/x"), 'integration_uri: "https://www.e', 2
    ),
    Difference("method", integration(IntegrationMethod="PUT"), 'integration_method: "PUT" -> "POST"', 2),
    Difference("type", integration(IntegrationType="HTTP"), 'integration_type: "HTTP" -> "HTTP_PROXY"', 2),
    Difference("time-out", integration(TimeoutInMillis=500), "timeout_in_millis: 500 -> 20000", 2),
    Difference("passthrough", integration(PassthroughBehavior="NEVER"), 'passthrough_behavior: "NEVER"', 2),
    Difference("mark of an integration", integration(Description="mine"), 'description: "mine" -> ', 2),
    Difference(
        "mapping changed", parameter("connectionId", "'x'"), "header.connectionId]: \"'static text ", 2
    ),
    Difference("mapping removed", parameter("wsSourceIp", ""), "header.wsSourceIp]: ", 2),
    Difference("mapping added", parameter("extra", "'1'"), "header.extra]: \"'static text ", 2),
    Difference("static header", parameter("Sec-WebSocket-Version", "'13'"), "Sec-WebSocket-Version]: ", 2),
    Difference("secret changed", parameter("wsOriginSecret", "'guess'"), "origin secret: another one", 2),
    Difference("secret removed", parameter("wsOriginSecret", ""), "origin secret: none -> the current", 2),
    Difference("query string mapped", map_query, "integration.request.querystring.id]: ", 2),
    Difference("orphan", lambda site: site.add_integration(), "Unwanted integration", 1, ("--prune",)),
    Difference("second integration", duplicate_integration, "Unwanted integration", 1, ("--prune",)),
    # Routes
    Difference(
        "target",
        lambda site: site.change_route("move", Target=f"integrations/{site.integration_id('$default')}"),
        'integration_id: "',
        2,
    ),
    Difference("targets swapped", swap_targets, "integration_uri: ", 3),
    Difference("route renamed", route("move", RouteKey="moved"), "Unwanted route moved", 5, ("--prune",)),
    Difference("every route missing", delete_every_route, "create route $disconnect (missing in AWS)", 6),
    Difference("API key required", route("move", ApiKeyRequired=True), "api_key_required: true -> false", 2),
    Difference(
        "authorization",
        route("$connect", AuthorizationType="AWS_IAM"),
        'authorization_type: "AWS_IAM" -> "NONE"',
        2,
    ),
    Difference(
        "two-way undone",
        route("$default", RouteResponseSelectionExpression=""),
        'route_response_selection_expression: "" -> "$default"',
        2,
    ),
    Difference(
        "two-way by hand",
        route("move", RouteResponseSelectionExpression="$default"),
        'route_response_selection_expression: "$default" -> ""',
        2,
    ),
    Difference("required parameter", require_a_parameter, 'request_parameters: ["route.request.que', 2),
    Difference(
        "route missing",
        lambda site: site.aws.delete_route(ApiId=site.api_id, RouteId=site.route("move")["RouteId"]),
        "create route move (missing in AWS; declared by the additional route 'Moves')",
        2,
    ),
    Difference("route and integration missing", delete_route_and_integration, "create integration move", 3),
    Difference(
        "$connect missing",
        lambda site: site.aws.delete_route(ApiId=site.api_id, RouteId=site.route("$connect")["RouteId"]),
        "create route $connect (missing in AWS)",
        2,
    ),
    Difference(
        "foreign route", lambda site: site.add_route("orders"), "Unwanted route orders", 3, ("--prune",)
    ),
    Difference(
        "foreign route on our integration",
        lambda site: site.add_route("orders", site.integration_id("move")),
        "Unwanted route orders",
        5,
        ("--prune",),
    ),
    Difference("route twice", duplicate_route, "a second route of this key", 2, ("--prune",), "store"),
    Difference("row new", add_a_row, "create route leave", 3),
    Difference(
        "row gone",
        lambda site: site.row.additional_routes.all().delete(),
        "was made for a row",
        3,
        ("--prune",),
    ),
    Difference("two-way in the row", row(two_way=False), "delete route response $default", 3),
    # Route responses
    Difference("response missing", delete_response, "create route response $default", 2),
    Difference("stray response", stray_response, "delete route response move", 2, ("--deep",)),
    # The stage
    Difference("rate", stage_setting(ThrottlingRateLimit=5.0), "throttling_rate_limit: 5.0 -> 100", 1),
    Difference("burst", stage_setting(ThrottlingBurstLimit=5), "throttling_burst_limit: 5 -> 200", 1),
    Difference(
        "log level",
        stage_setting(LoggingLevel="INFO"),
        'logging_level: "INFO" -> "OFF"',
        1,
        needs="logs",
    ),
    Difference(
        "payloads logged",
        stage_setting(DataTraceEnabled=True),
        "data_trace_enabled: true",
        1,
        needs="logs",
    ),
    Difference("traffic switched off", switch_traffic_off, "throttling_rate_limit: 0.0 -> 100.0", 1),
    Difference(
        "errors logged", stage_setting(LoggingLevel="ERROR"), 'level: "ERROR" -> "OFF"', 1, needs="logs"
    ),
    Difference(
        "stage's description", lambda site: site.change_stage(Description="x"), 'description: "x" -> "For', 1
    ),
    Difference(
        "variable changed",
        lambda site: site.change_stage(StageVariables={"colour": "red"}),
        'stage_variables[colour]: "red" -> "blue"',
        1,
    ),
    Difference(
        "variable added",
        lambda site: site.change_stage(StageVariables={"shape": "round"}),
        'stage_variables[shape]: "round" -> null',
        1,
    ),
    Difference(
        "variable removed",
        lambda site: site.change_stage(StageVariables={"size": ""}),
        'stage_variables[size]: "1"',
        1,
    ),
    Difference(
        "access log off",
        lambda site: site.aws.delete_access_log_settings(ApiId=site.api_id, StageName="production"),
        "access_log_arn: ",
        1,
        needs="logs",
    ),
    Difference(
        "access log elsewhere",
        log_another_format,
        'access_log_format: "$context.requestId" -> ',
        1,
        needs="logs",
    ),
    Difference(
        "every variable removed",
        lambda site: site.change_stage(StageVariables={"colour": "", "size": ""}),
        'stage_variables[colour]: "blue"',
        1,
    ),
    Difference("stage's tag", lambda site: site.tag(STAGE, team="ops"), 'tags[team]: "ops" -> "web"', 1),
    Difference(
        "stage's mark removed",
        lambda site: site.untag("websocket_gateway:uuid", path=STAGE),
        "tags[websocket_gateway:uuid]: ",
        1,
    ),
    Difference("access log in another group", log_elsewhere, 'access_log_arn: "arn:', 1, needs="store"),
    Difference("auto-deploy", lambda site: site.change_stage(AutoDeploy=True), "auto_deploy: true", 2),
    Difference("one route's settings", limit_one_route, "delete route settings move", 1),
    Difference(
        "stage missing",
        lambda site: site.aws.delete_stage(ApiId=site.api_id, StageName="production"),
        "create stage production",
        2,
    ),
    Difference("stage made by hand", create_stage_again, "tags[websocket_gateway:installation]: ", 3),
    Difference(
        "foreign stage",
        lambda site: site.aws.create_stage(ApiId=site.api_id, StageName="beta"),
        "Unwanted stage beta (not ours",
        1,
        ("--prune",),
    ),
    Difference("earlier stage", earlier_stage, "Unwanted stage v0 (an earlier stage", 1, ("--prune",)),
    Difference("another stage is live", live_stage, 'deployed_stage: "v0" -> "production"', 0),
    Difference("stage not mapped", parameter("wsStage", ""), 'wsStage]: "context.stage"', 2),
    Difference("request not mapped", parameter("wsRequestId", ""), 'wsRequestId]: "context.requestId"', 2),
    # Options of `GATEWAYS` that were taken back
    Difference("rate taken back", taken_back("THROTTLING_RATE_LIMIT"), "_rate_limit: 100.0 -> 10000.0", 2),
    Difference("burst taken back", taken_back("THROTTLING_BURST_LIMIT"), "_burst_limit: 200 -> 5000", 2),
    Difference(
        "access log taken back",
        taken_back("ACCESS_LOG_ARN", "ACCESS_LOG_FORMAT"),
        'access_log_arn: "arn:',
        3,
        needs="logs",
    ),
    Difference("variables taken back", taken_back("STAGE_VARIABLES"), '[colour]: "blue" -> null', 2),
    Difference("time-out taken back", taken_back("INTEGRATION_TIMEOUT_MS"), "_millis: 20000 -> 29000", 5),
    Difference("tags taken back", taken_back("TAGS"), 'tags[cost]: "7" -> null', 4),
    Difference(
        "endpoint taken back",
        applied_and_taken_back(DISABLE_EXECUTE_API_ENDPOINT=True),
        "disable_execute_api_endpoint: true -> false",
        3,
    ),
    Difference(
        "dual-stack taken back",
        applied_and_taken_back(IP_ADDRESS_TYPE="dualstack"),
        'ip_address_type: "dualstack" -> "ipv4"',
        2,
    ),
    Difference(
        "log level taken back",
        applied_and_taken_back(LOGGING_LEVEL="INFO"),
        'level: "INFO" -> "OFF"',
        1,
        needs="logs",
    ),
    Difference("memory removed", lambda site: site.untag("websocket_gateway:options"), "tags[websocket_", 1),
    Difference(
        "memory of the stage removed",
        lambda site: site.untag("websocket_gateway:options", path=STAGE),
        "tags[websocket_gateway:options]: ",
        1,
    ),
    # What the stage serves
    Difference("deployed by hand", deploy_by_hand, "serves a deployment that was not made here", 1),
    Difference(
        "change deployed and undone",
        deploy_a_change_and_undo_it,
        "serves a deployment that was not made here",
        1,
    ),
    Difference(
        "older deployment", serve_an_older_deployment, "serves a deployment that was not made here", 1
    ),
]
