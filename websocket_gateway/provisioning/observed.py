"""Read everything that AWS reports of a gateway, and check which installation it belongs to."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from websocket_gateway import security_log
from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.endpoints import region_in, region_of
from websocket_gateway.aws.identity import caller_account, has_log_role
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError, ForeignGatewayError, GatewayMissingError
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import accepted_installation_fingerprints, origin_secret
from websocket_gateway.provisioning.plan import Choices
from websocket_gateway.provisioning.planning.marks import lost_installation, read_tags
from websocket_gateway.provisioning.planning.routes import TWO_WAY
from websocket_gateway.resources import Api, ObservedGateway, Route, Stage, WantedGateway


def find_region(gateway: ApiGateway, choices: Choices, *, asked: bool, on_wait: Callable[[str], None]) -> str:
    """The region of the API; of one that is to be created again the one that row and settings name now.

    Raises `ConfigurationError` where another region is `asked` for while AWS has the API.
    """
    stored = region_in(gateway.api_endpoint)
    wanted = gateway.region_name or get_settings().region_name
    if not stored or not wanted or stored == wanted or not (choices.recreate or asked):
        return region_of(gateway.api_endpoint, gateway.region_name)
    apis = Apis.in_region(stored, origin_secret=origin_secret, on_wait=on_wait)
    if choices.recreate and apis.find_api(gateway.api_id) is None:
        return wanted
    if not asked:
        return stored
    name = gateway.api_name
    delete = f"delete it first (manage.py delete_gateway {shlex.quote(name)} --keep-record)"
    raise ConfigurationError(
        f"Gateway {name!r} has API {gateway.api_id!r} in {stored}, and an API cannot move to {wanted}: "
        f"{delete if choices.recreate else 'give --recreate too if it was deleted'}. To move clients without "
        "a gap, create another gateway in the other region."
    )


def observe_gateway(
    gateway: ApiGateway, wanted: WantedGateway, apis: Apis, *, choices: Choices
) -> ObservedGateway:
    """Everything AWS reports of `gateway`; empty while it does not exist.

    Raises `GatewayMissingError` if the row names an API that AWS does not know, unless it may be created
    again; `ForeignGatewayError` if the API belongs to another installation and is not to be adopted.
    """
    present = apis.list_apis()
    api_ids = frozenset(item.api_id for item in present)
    api = _find_api(gateway, present, apis, choices=choices)
    if api is None:
        return ObservedGateway(namesakes=_namesakes(gateway, present), api_ids=api_ids)
    routes = apis.list_routes(api.api_id)
    stages = apis.list_stages(api.api_id)
    serving = next((stage for stage in stages if stage.stage_name == wanted.stage.stage_name), None)
    return ObservedGateway(
        api=api,
        api_ids=api_ids,
        twins=tuple(item for item in _marked(gateway, present) if item.api_id != api.api_id),
        integrations=apis.list_integrations(api.api_id),
        routes=routes,
        route_responses=apis.list_responses_of(api.api_id, _asked(wanted, routes, deep=choices.deep)),
        stages=stages,
        deployment=(
            apis.find_deployment(api.api_id, serving.deployment_id)
            if serving is not None and serving.deployment_id
            else None
        ),
    )


def observe_api(gateway: ApiGateway, apis: Apis) -> ObservedGateway:
    """Whether the API of `gateway` is there, and nothing of what is in it.

    Raises `ForeignGatewayError` if it belongs to another installation.
    """
    present = apis.list_apis()
    api = _find_api(gateway, present, apis, choices=Choices(recreate=True))
    marked = _marked(gateway, present)
    return ObservedGateway(
        api=api,
        api_ids=frozenset(item.api_id for item in present),
        twins=tuple(item for item in marked if api is None or item.api_id != api.api_id),
    )


def check_log_role(
    gateway: ApiGateway, wanted: WantedGateway, observed: ObservedGateway, region: str
) -> tuple[str, ...]:
    """Notes on logs that are to be switched on.

    AWS refuses them in a region without API Gateway's CloudWatch role, which would end a run half-way: so
    that raises `ConfigurationError` before anything is changed.
    """
    stage, present = wanted.stage, observed.find_stage(wanted.stage.stage_name)
    logs = stage.logging_level not in (None, "OFF") or stage.access_log_arn
    if not logs or (present is not None and _logs_of(present) == _logs_of(stage)):
        return ()
    known = has_log_role(region)
    if known is None:
        return (f"whether API Gateway may write logs in region {region} could not be read (GetAccount)",)
    if not known:
        raise ConfigurationError(
            f"Gateway {gateway.api_name!r}: LOGGING_LEVEL or ACCESS_LOG_ARN is set, and API Gateway has no "
            f"CloudWatch role in region {region}. Set one: aws apigateway update-account --region {region} "
            "--patch-operations op=replace,path=/cloudwatchRoleArn,value=ROLE_ARN"
        )
    return ()


def _logs_of(stage: Stage) -> tuple[str | None, ...]:
    return (stage.logging_level, stage.access_log_arn or None, stage.access_log_format or None)


def _asked(wanted: WantedGateway, routes: tuple[Route, ...], *, deep: bool) -> list[str]:
    """Ids of the routes whose responses are read: there is no list over an API, so each is a call."""
    two_way = {want.route_key: want.two_way or deep for want in wanted.routes}
    return [
        route.route_id
        for route in routes
        if two_way.get(route.route_key, False)
        or (route.route_key in two_way and route.route_response_selection_expression == TWO_WAY)
    ]


def _find_api(gateway: ApiGateway, present: tuple[Api, ...], apis: Apis, *, choices: Choices) -> Api | None:
    """By the stored id; else by the mark, because a run that was cut off could not store the id."""
    if gateway.api_id:
        by_id = (item for item in present if item.api_id == gateway.api_id)
        # A list may lag behind; only the API itself is asked before it is called missing.
        api = next(by_id, None) or apis.find_api(gateway.api_id)
        if api is not None:
            if api.api_id != choices.adopt:
                _check_owner(gateway, api)
            return api
        if not choices.recreate:
            raise GatewayMissingError(
                f"AWS does not know API {gateway.api_id!r} of gateway {gateway.api_name!r} "
                f"({caller_account(apis.region)}, region {apis.region}). If account and region are right and "
                "it was deleted, create it again: "
                f"manage.py create_gateway {shlex.quote(gateway.api_name)} --recreate"
            )
    marked = _marked(gateway, present)
    for api in marked:
        _check_owner(gateway, api)
    return min(marked, key=lambda api: api.created_on, default=None)


def _marked(gateway: ApiGateway, present: tuple[Api, ...]) -> list[Api]:
    return [api for api in present if (mark := read_tags(api.tags)) and mark.uuid == str(gateway.uuid)]


def _check_owner(gateway: ApiGateway, api: Api) -> None:
    mark = read_tags(api.tags)
    ours = accepted_installation_fingerprints()
    if mark is None or lost_installation(mark, str(gateway.uuid)):
        if api.api_id == gateway.api_id and not gateway.is_foreign:
            return  # The tags were removed; the row still knows the id, and the plan puts them back.
    elif mark.uuid == str(gateway.uuid) and mark.installation in ours:
        return
    name = shlex.quote(gateway.api_name)
    reason = (
        f"API {api.api_id!r} belongs to another installation (another SECRET_KEY, or a copied database), so "
        f"gateway {gateway.api_name!r} leaves it alone. In a copy of another database, remove the row: "
        f"manage.py delete_gateway {name} --forget. If SECRET_KEY was rotated, add the old one to "
        "SECRET_KEY_FALLBACKS. Only if that installation is gone for good, adopt the API: "
        f"manage.py create_gateway {name} --adopt {api.api_id}"
    )
    security_log.write("foreign_gateway", reason, gateway=gateway.api_name)
    foreign = mark.installation if mark and mark.installation not in ours else ""
    raise ForeignGatewayError(reason, installation=foreign)


def _namesakes(gateway: ApiGateway, present: tuple[Api, ...]) -> tuple[Api, ...]:
    """APIs of this name that belong to other installations.

    Raises `ForeignGatewayError` for one that carries no such mark: it may well be the one that is meant.
    """
    found = tuple(api for api in present if api.name == gateway.api_name)
    ours = accepted_installation_fingerprints()
    for api in found:
        mark = read_tags(api.tags)
        if mark is None or mark.installation in ours:
            name = shlex.quote(gateway.api_name)
            raise ForeignGatewayError(
                f"AWS has an API called {api.name!r} already ({api.api_id}), and no row knows it. Adopt "
                f"it: manage.py create_gateway {name} --adopt {api.api_id}. Or choose another name."
            )
    return found
