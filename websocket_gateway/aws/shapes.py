"""Between botocore's dicts and our dataclasses. No raw dict leaves `aws/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from websocket_gateway.context_headers import ORIGIN_SECRET_HEADER, STATIC_HEADERS
from websocket_gateway.exceptions import ServiceError
from websocket_gateway.origin_secret import secret_fingerprint
from websocket_gateway.resources import (
    Api,
    Deployment,
    Integration,
    Route,
    RouteResponse,
    Stage,
    frozen,
)

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.type_defs import (
        ApiTypeDef,
        DeploymentTypeDef,
        IntegrationTypeDef,
        RouteResponseTypeDef,
        RouteTypeDef,
        StageTypeDef,
    )

HEADER_PREFIX: Final = "integration.request.header."
_SECRET_PARAMETER: Final = HEADER_PREFIX + ORIGIN_SECRET_HEADER
_TARGET_PREFIX: Final = "integrations/"


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def answered(item: Mapping[str, object], name: str) -> str:
    """A field of every response of AWS; raises `ServiceError` for a response without it."""
    value = item.get(name)
    if not value:
        raise ServiceError(
            f"The response has no {name}, so it did not come from API Gateway. Is ENDPOINT_URL right?"
        )
    return str(value)


def read_api(item: ApiTypeDef) -> Api:
    """An API as GetApi and GetApis report it."""
    return Api(
        api_id=answered(item, "ApiId"),
        name=item.get("Name") or "",
        description=item.get("Description") or "",
        route_selection_expression=item.get("RouteSelectionExpression") or "",
        api_key_selection_expression=item.get("ApiKeySelectionExpression") or "",
        disable_execute_api_endpoint=bool(item.get("DisableExecuteApiEndpoint", False)),
        ip_address_type=item.get("IpAddressType") or "ipv4",
        tags=frozen(item.get("Tags") or {}),
        api_endpoint=item.get("ApiEndpoint") or "",
        created_on=str(item.get("CreatedDate") or ""),
    )


def write_api(api: Api) -> dict[str, object]:
    """The fields of CreateApi and UpdateApi, without protocol and tags."""
    return _given(
        Name=api.name,
        Description=api.description,
        RouteSelectionExpression=api.route_selection_expression,
        ApiKeySelectionExpression=api.api_key_selection_expression,
        DisableExecuteApiEndpoint=api.disable_execute_api_endpoint,
        IpAddressType=api.ip_address_type,
    )


def read_integration(item: IntegrationTypeDef) -> Integration:
    """An integration as GetIntegrations reports it; the secret is turned into its fingerprint here."""
    parameters = dict(item.get("RequestParameters") or {})
    secret = parameters.pop(_SECRET_PARAMETER, None)
    return Integration(
        integration_id=answered(item, "IntegrationId"),
        description=item.get("Description") or "",
        integration_uri=item.get("IntegrationUri") or "",
        integration_type=item.get("IntegrationType") or "",
        integration_method=item.get("IntegrationMethod") or "",
        connection_type=item.get("ConnectionType") or "INTERNET",
        payload_format_version=item.get("PayloadFormatVersion") or "1.0",
        passthrough_behavior=item.get("PassthroughBehavior") or "WHEN_NO_MATCH",
        timeout_in_millis=item.get("TimeoutInMillis") or 29_000,
        request_parameters=frozen({name: _shown(name, value) for name, value in parameters.items()}),
        secret_fingerprint=secret_fingerprint(secret[1:-1]) if secret else "",
    )


def _shown(name: str, value: str) -> str:
    """A static text that is not ours may be another system's secret: only its fingerprint is shown."""
    if not value.startswith("'") or name.removeprefix(HEADER_PREFIX) in STATIC_HEADERS:
        return value
    return f"'static text {secret_fingerprint(value)}'"


def write_integration(integration: Integration, *, secret: str) -> dict[str, Any]:
    """The fields of CreateIntegration and UpdateIntegration."""
    return {
        "Description": integration.description,
        "IntegrationType": integration.integration_type,
        "IntegrationMethod": integration.integration_method,
        "IntegrationUri": integration.integration_uri,
        "ConnectionType": integration.connection_type,
        "PayloadFormatVersion": integration.payload_format_version,
        "PassthroughBehavior": integration.passthrough_behavior,
        "TimeoutInMillis": integration.timeout_in_millis,
        "RequestParameters": {**integration.request_parameters, _SECRET_PARAMETER: f"'{secret}'"},
    }


def read_route(item: RouteTypeDef) -> Route:
    """A route as GetRoutes reports it."""
    return Route(
        route_id=answered(item, "RouteId"),
        route_key=item.get("RouteKey") or "",
        integration_id=(item.get("Target") or "").removeprefix(_TARGET_PREFIX),
        authorization_type=item.get("AuthorizationType") or "NONE",
        api_key_required=bool(item.get("ApiKeyRequired", False)),
        route_response_selection_expression=item.get("RouteResponseSelectionExpression") or "",
        request_parameters=tuple(sorted(item.get("RequestParameters") or {})),
    )


def write_route(route: Route) -> dict[str, object]:
    """The fields of CreateRoute and UpdateRoute."""
    return {
        "RouteKey": route.route_key,
        "Target": _TARGET_PREFIX + route.integration_id,
        "AuthorizationType": route.authorization_type,
        "ApiKeyRequired": route.api_key_required,
        "RouteResponseSelectionExpression": route.route_response_selection_expression,
    }


def read_route_response(item: RouteResponseTypeDef) -> RouteResponse:
    """A route response as GetRouteResponses reports it."""
    return RouteResponse(
        route_response_id=answered(item, "RouteResponseId"),
        route_response_key=item.get("RouteResponseKey") or "",
    )


def read_stage(item: StageTypeDef) -> Stage:
    """A stage as GetStages reports it."""
    defaults, logs = item.get("DefaultRouteSettings") or {}, item.get("AccessLogSettings") or {}
    return Stage(
        stage_name=answered(item, "StageName"),
        description=item.get("Description") or "",
        auto_deploy=bool(item.get("AutoDeploy", False)),
        throttling_rate_limit=defaults.get("ThrottlingRateLimit"),
        throttling_burst_limit=defaults.get("ThrottlingBurstLimit"),
        logging_level=defaults.get("LoggingLevel") or "OFF",
        data_trace_enabled=bool(defaults.get("DataTraceEnabled", False)),
        access_log_arn=logs.get("DestinationArn"),
        access_log_format=logs.get("Format"),
        stage_variables=frozen(item.get("StageVariables") or {}),
        route_settings=tuple(sorted(item.get("RouteSettings") or {})),
        tags=frozen(item.get("Tags") or {}),
        deployment_id=item.get("DeploymentId") or "",
    )


def write_stage(stage: Stage) -> dict[str, object]:
    """The fields of CreateStage and UpdateStage, without tags and deployment."""
    defaults = _given(
        ThrottlingRateLimit=stage.throttling_rate_limit,
        ThrottlingBurstLimit=stage.throttling_burst_limit,
        LoggingLevel=stage.logging_level,
        DataTraceEnabled=stage.data_trace_enabled,
    )
    logs = _given(DestinationArn=stage.access_log_arn or None, Format=stage.access_log_format or None)
    return _given(
        StageName=stage.stage_name,
        Description=stage.description,
        AutoDeploy=stage.auto_deploy,
        DefaultRouteSettings=defaults or None,
        AccessLogSettings=logs or None,
        StageVariables=None if stage.stage_variables is None else dict(stage.stage_variables),
    )


def read_deployment(item: DeploymentTypeDef) -> Deployment:
    """A deployment as CreateDeployment and GetDeployment report it."""
    return Deployment(
        deployment_id=answered(item, "DeploymentId"),
        status=item.get("DeploymentStatus") or "",
        status_message=item.get("DeploymentStatusMessage") or "",
        description=item.get("Description") or "",
    )
