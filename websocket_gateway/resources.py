"""The resources of API Gateway as frozen dataclasses: shared by `aws` and `provisioning`.

Field names follow the AWS shapes. In a *wanted* resource, `None` means "AWS's own default: not
compared"; in an *observed* one it means that AWS reported nothing.
https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/api-reference.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

UUID_TAG: Final = "websocket_gateway:uuid"
"""Tag that names the `ApiGateway` row a resource belongs to."""
INSTALLATION_TAG: Final = "websocket_gateway:installation"
"""Tag that names the installation (a fingerprint of its `SECRET_KEY`) a resource belongs to."""
OPTIONS_TAG: Final = "websocket_gateway:options"
"""Tag that remembers which options of `GATEWAYS` were applied, so that those taken back are undone."""
TAGS_TAG: Final = "websocket_gateway:tags"
"""Tag that remembers which of the other tags are ours, so that those no longer wanted are known again."""


def frozen(mapping: Mapping[str, str]) -> Mapping[str, str]:
    """A read-only copy of `mapping`."""
    return MappingProxyType(dict(mapping))


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A WebSocket API."""

    name: str
    description: str = ""
    route_selection_expression: str
    api_key_selection_expression: str
    disable_execute_api_endpoint: bool | None = None
    ip_address_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=_nothing)
    api_id: str = ""
    api_endpoint: str = ""
    created_on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """An integration; the origin secret is represented by its fingerprint alone."""

    description: str
    integration_uri: str
    integration_type: str = "HTTP_PROXY"
    integration_method: str = "POST"
    connection_type: str = "INTERNET"
    payload_format_version: str = "1.0"
    passthrough_behavior: str = "WHEN_NO_MATCH"
    timeout_in_millis: int = 29_000
    request_parameters: Mapping[str, str] = field(default_factory=_nothing)
    """Everything but the origin secret."""
    secret_fingerprint: str = ""
    """Empty in a wanted integration while the API, and so its secret, does not exist yet."""
    integration_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route and the integration that it targets."""

    route_key: str
    integration_id: str = ""
    authorization_type: str = "NONE"
    api_key_required: bool = False
    route_response_selection_expression: str = ""
    request_parameters: tuple[str, ...] = ()
    """Names of the request parameters that the route asks for; we want none."""
    route_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteResponse:
    """The response that makes a route two-way."""

    route_response_key: str = "$default"
    route_response_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage with the settings that apply without a deployment."""

    stage_name: str
    description: str | None = None
    auto_deploy: bool = False
    throttling_rate_limit: float | None = None
    throttling_burst_limit: int | None = None
    logging_level: str | None = None
    data_trace_enabled: bool = False
    """Whether whole messages go to the log; never wanted."""
    access_log_arn: str | None = None
    """Wanted as an empty text: no access log."""
    access_log_format: str | None = None
    stage_variables: Mapping[str, str] | None = None
    route_settings: tuple[str, ...] | None = None
    """Route keys with settings of their own, which take precedence over the stage's."""
    tags: Mapping[str, str] = field(default_factory=_nothing)
    deployment_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A snapshot of routes and integrations."""

    deployment_id: str
    status: str
    """PENDING, FAILED or DEPLOYED."""
    status_message: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate in ACM."""

    arn: str
    status: str
    names: tuple[str, ...]
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A custom domain name."""

    domain_name: str
    certificate_arn: str
    endpoint_type: str = "REGIONAL"
    security_policy: str = "TLS_1_2"
    ip_address_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=_nothing)
    target: str = ""  # the host that DNS must lead the domain to
    target_zone_id: str = ""  # API Gateway's own, which an alias names; not the zone that holds the alias
    domain_name_status: str = ""
    domain_name_status_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiMapping:
    """The mapping of a path of a domain to a stage."""

    api_id: str
    stage: str
    api_mapping_key: str = ""
    api_mapping_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRecord:
    """A record of DNS. If it is not an alias, `target` holds its values and `target_zone_id` is empty."""

    name: str
    record_type: str
    target: str
    target_zone_id: str
    evaluates_health: bool | None = None
    set_identifier: str = ""
    """Of a record with a routing policy: one of several of its name and type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDomain:
    """A custom domain as the row wants it."""

    domain: Domain
    api_mapping_key: str = ""
    hosted_zone_id: str = ""  # empty: DNS is kept elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedDomain:
    """Everything AWS reports of a custom domain; `domain` is None while it does not exist."""

    domain: Domain | None = None
    mappings: tuple[ApiMapping, ...] = ()
    records: tuple[AliasRecord, ...] = ()
    """The addresses of that name in the hosted zone of the row."""
    ownerless: bool = False
    """Whether a gateway of this installation made it that has no row any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRoute:
    """A route as the project wants it, with the integration behind it."""

    route_key: str
    two_way: bool
    integration: Integration
    source: str = ""
    """The declaration, in words: the row, an additional route, a view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGateway:
    """Everything the project wants of one gateway."""

    api: Api
    routes: tuple[WantedRoute, ...]
    stage: Stage
    domain: WantedDomain | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedGateway:
    """Everything AWS reports of one gateway; `api` is None while it does not exist."""

    api: Api | None = None
    integrations: tuple[Integration, ...] = ()
    routes: tuple[Route, ...] = ()
    route_responses: Mapping[str, tuple[RouteResponse, ...]] = field(default_factory=dict)
    """By route id; only routes that were asked about."""
    twins: tuple[Api, ...] = ()
    """Other APIs that carry the mark of this very gateway."""
    namesakes: tuple[Api, ...] = ()
    """While it does not exist: APIs of other installations that have its name."""
    stages: tuple[Stage, ...] = ()
    deployment: Deployment | None = None
    """The deployment that the wanted stage serves now."""
    api_ids: frozenset[str] = frozenset()
    """Every API of the account in this region."""
    domain: ObservedDomain = ObservedDomain()
    former_domains: tuple[ObservedDomain, ...] = ()
    """Domains that it no longer wants: with its mark, or with a mapping to its API."""
    domain_notes: tuple[str, ...] = ()
    """Notes on domains of a gateway that never named one."""

    def find_stage(self, name: str) -> Stage | None:
        """The stage of that name; None if there is none."""
        return next((item for item in self.stages if item.stage_name == name), None)

    @property
    def own_api_ids(self) -> frozenset[str]:
        """The ids of this gateway's API and of its twins."""
        return frozenset(api.api_id for api in (self.api, *self.twins) if api is not None)


Resource = Api | Integration | Route | RouteResponse | Stage | Deployment | Domain | ApiMapping | AliasRecord
