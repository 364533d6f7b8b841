"""The stage: throttling, logs, variables, tags; and what it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.commands.differences.difference import Difference
from tests.support.drift import Site
from websocket_gateway.models import ApiGateway

STAGE = "/stages/production"


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


def create_stage_again(site: Site) -> None:
    site.aws.delete_stage(ApiId=site.api_id, StageName="production")
    site.aws.create_stage(ApiId=site.api_id, StageName="production")


def switch_traffic_off(site: Site) -> None:
    site.change_stage(DefaultRouteSettings={"ThrottlingRateLimit": 0.0, "ThrottlingBurstLimit": 0})


def log_elsewhere(site: Site) -> None:
    arn = site.options["ACCESS_LOG_ARN"]
    logs = {"DestinationArn": f"{arn}-other", "Format": site.options["ACCESS_LOG_FORMAT"]}
    site.change_stage(AccessLogSettings=logs)


def log_another_format(site: Site) -> None:
    logs = {"DestinationArn": site.options["ACCESS_LOG_ARN"], "Format": "$context.requestId"}
    site.change_stage(AccessLogSettings=logs)


def limit_one_route(site: Site) -> None:
    limits = {"ThrottlingRateLimit": 1.0, "ThrottlingBurstLimit": 1}
    site.change_stage(RouteSettings={"move": limits})


def stage_setting(**changes: Any) -> Callable[[Site], None]:
    return lambda site: site.change_stage(DefaultRouteSettings=changes)


def earlier_stage(site: Site) -> None:
    tags = site.aws.get_stage(ApiId=site.api_id, StageName="production")["Tags"]
    site.aws.create_stage(ApiId=site.api_id, StageName="v0", Tags=tags)


def live_stage(site: Site) -> None:
    ApiGateway.objects.update(deployed_stage="v0")


TABLE = [
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
