"""Addresses of a gateway, from its row: the socket URL for clients, the management endpoint for sending."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from django.db import Error

from websocket_gateway import security_log
from websocket_gateway.aws.clients import resolve_region
from websocket_gateway.aws.endpoints import (
    ManagementEndpoint,
    domain_endpoint,
    management_endpoint,
    region_in,
    socket_url,
)
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import (
    ConfigurationError,
    ForeignGatewayError,
    GatewayMissingError,
    MissingRegionError,
    WebSocketGatewayError,
)
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ApiGateway, WebSocketSession

logger = get_logger(__name__)


def find_socket_url(gateway: ApiGateway) -> str:
    """The `wss://` URL of a gateway: the custom domain once that exists, else the stage; else empty.

    Empty for a gateway of another installation too, which would refuse our tokens.
    """
    if not gateway.is_foreign and gateway.domain_address:
        return f"wss://{gateway.domain_address}"
    try:
        _check_usable(gateway)  # a row can hold anything
    except (ForeignGatewayError, GatewayMissingError):
        return ""
    return socket_url(api_endpoint=gateway.api_endpoint, stage_name=gateway.live_stage)


def why_no_socket_url(gateway: ApiGateway) -> str:
    """Why `find_socket_url` finds none, as a sentence with the next step; empty where it finds one."""
    if find_socket_url(gateway):
        return ""
    try:
        _check_usable(gateway)
    except (ForeignGatewayError, GatewayMissingError) as exc:
        return f"{str(exc).rstrip('.')}."
    return ""


class EndpointMap:
    """The management endpoint of each gateway that was looked up once, or the reason why it has none.

    A row can hold anything. One without a usable address must not end the work for the other gateways. All
    gateways are of one database, `using`, because another one has other rows under the same keys.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._gateways: dict[int, ApiGateway | str] = {}
        self._found: dict[tuple[int, str], ManagementEndpoint | str] = {}

    def find(self, gateway_id: int, stage_name: str = "") -> ManagementEndpoint | str:
        """The endpoint of a stage of a gateway that was loaded, or the reason."""
        found = self._found.get((gateway_id, stage_name))
        if found is None:
            gateway = self._gateways[gateway_id]
            found = gateway if isinstance(gateway, str) else _endpoint_or_reason(gateway, stage_name)
            self._found[gateway_id, stage_name] = found
        return found

    def load_of(self, sessions: Sequence[WebSocketSession]) -> None:
        """Look up the gateways of sessions: those that were loaded with them, and the others in one query.

        Raises nothing: a database that does not answer is the reason why there is no endpoint.
        """
        for session in sessions:
            key = session.api_gateway_id
            if key not in self._gateways and WebSocketSession.api_gateway.is_cached(session):
                self._gateways[key] = session.api_gateway
        unknown = {session.api_gateway_id for session in sessions} - self._gateways.keys()
        try:
            self.load(unknown)
        except Error as exc:
            reason = f"the gateway's row could not be read: {type(exc).__name__}"
            self._gateways.update(dict.fromkeys(unknown, reason))

    def load(self, gateway_ids: Iterable[int], *, strict: bool = False) -> None:
        """Look up the gateways that are not known yet, in one query.

        With `strict`, a fault of the settings, such as a missing region, is raised and is not a reason.
        """
        unknown = set(gateway_ids) - self._gateways.keys()
        rows = ApiGateway.objects.using(self._using).in_bulk(unknown) if unknown else {}
        for pk in unknown:
            self._gateways[pk] = rows.get(pk, "the gateway's row was deleted")
            if pk in rows:
                self._found[pk, ""] = _endpoint_or_reason(rows[pk], strict=strict)


def _endpoint_or_reason(
    gateway: ApiGateway, stage_name: str = "", *, strict: bool = False
) -> ManagementEndpoint | str:
    try:
        return endpoint_of(gateway, stage_name)
    except ConfigurationError as exc:
        if strict:
            raise
        return str(exc)
    except WebSocketGatewayError as exc:
        return str(exc)
    except Exception as exc:
        logger.exception(
            "The address of the gateway %r cannot be determined.",
            gateway.api_name,
            extra={"event": "endpoint_unknown", "gateway": gateway.api_name},
        )
        return f"unexpected {type(exc).__name__} about the gateway {gateway.api_name!r}"


def endpoint_of(api_gateway: ApiGateway, stage_name: str = "") -> ManagementEndpoint:
    """The `@connections` endpoint of a stage, the only way to its sockets; without a name the deployed one's.

    Raises `ForeignGatewayError` for a gateway of another installation, `GatewayMissingError` for a row that
    was never created in AWS or holds no address, and `MissingRegionError` where neither the row nor the
    settings nor boto3 name a region. If the region in use differs from the one in the stored `api_endpoint`,
    logs a warning once and uses the stored one.
    """
    if api_gateway.is_foreign:
        security_log.write("foreign_gateway", why_foreign(api_gateway), gateway=api_gateway.api_name)
    _check_usable(api_gateway)
    stage_name = stage_name or api_gateway.live_stage
    if must_use_domain(api_gateway):
        _check_behind_domain(api_gateway, stage_name)
        domain_name, _, mapping_key = api_gateway.domain_address.partition("/")
        return domain_endpoint(
            domain_name=domain_name,
            mapping_key=mapping_key,
            api_endpoint=api_gateway.api_endpoint,
            region_name=api_gateway.region_name,
        )
    endpoint = management_endpoint(
        api_endpoint=api_gateway.api_endpoint,
        stage_name=stage_name,
        region_name=api_gateway.region_name,
    )
    stored = region_in(api_gateway.api_endpoint)
    if stored and not get_settings().endpoint_url:
        _compare_regions(api_gateway, stored)
    return endpoint


def why_foreign(gateway: ApiGateway) -> str:
    """Why a gateway of another installation is not used, with the next step."""
    name = shlex.quote(gateway.api_name)
    return (
        f"gateway {gateway.api_name!r} belongs to another installation (another SECRET_KEY, or a copied "
        f"database), so it is not used here. Remove it here with `manage.py delete_gateway {name} --forget`. "
        "If SECRET_KEY was changed, add the old one to SECRET_KEY_FALLBACKS, or run "
        f"`manage.py sync_routes {name}`"
    )


def why_missing(gateway: ApiGateway) -> str:
    """Why a gateway that was never created in AWS cannot be used, with the next step."""
    name = gateway.api_name
    return f"Gateway {name!r} does not exist in AWS yet. Run `manage.py create_gateway {shlex.quote(name)}`."


def _check_usable(api_gateway: ApiGateway) -> None:
    """Raise `ForeignGatewayError` or `GatewayMissingError` unless the row is ours and holds an address."""
    if api_gateway.is_foreign:
        raise ForeignGatewayError(why_foreign(api_gateway))
    if not api_gateway.api_endpoint:
        raise GatewayMissingError(why_missing(api_gateway))
    try:
        parts = urlsplit(api_gateway.api_endpoint)
        valid = parts.scheme in ("ws", "wss", "http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        name = api_gateway.api_name
        raise GatewayMissingError(
            f"Gateway {name!r} has {api_gateway.api_endpoint!r} stored as its address, which is not a URL. "
            f"Run `manage.py sync_routes {shlex.quote(name)}`, which reads it from AWS."
        )


def must_use_domain(api_gateway: ApiGateway) -> bool:
    """Whether the default endpoint is disabled, so that callbacks need the custom domain.

    It is what AWS reported at the last sync, or what the next one will do: the domain serves in both cases.
    """
    options = get_settings().gateway_options(api_gateway.api_name)
    disabled = api_gateway.default_endpoint_disabled or options.disable_execute_api_endpoint
    return bool(disabled and api_gateway.domain_address)


def _check_behind_domain(api_gateway: ApiGateway, stage_name: str) -> None:
    """Raise `GatewayMissingError` for a stage that the domain does not lead to."""
    if stage_name != api_gateway.live_stage:
        raise GatewayMissingError(
            f"The socket is on stage {stage_name!r} of gateway {api_gateway.api_name!r}, whose default "
            f"endpoint is disabled, and {api_gateway.domain_address} leads to {api_gateway.live_stage!r}. "
            "Nothing can be sent to it until its client connects again."
        )


def _compare_regions(api_gateway: ApiGateway, stored: str) -> None:
    try:
        used = resolve_region(api_gateway.region_name)
    except MissingRegionError:
        return
    if used != stored:
        _warn_once(api_gateway.api_name, used, stored)


@lru_cache(maxsize=256)
def _warn_once(name: str, used: str, stored: str) -> None:
    logger.warning(
        "The region in use for the gateway %r is %s, but its api_endpoint is in %s. "
        "Messages go to %s; correct AWS_GATEWAY_REGION_NAME or the gateway's region.",
        name,
        used,
        stored,
        stored,
        extra={"event": "region_differs", "gateway": name},
    )
