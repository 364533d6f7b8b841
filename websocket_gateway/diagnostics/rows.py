"""Checks of the gateways' rows against settings, URLconf and views. Only `check_ws_settings` runs them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage
from django.http.request import validate_host

from websocket_gateway.aws.endpoints import region_in
from websocket_gateway.checks.cookies import judge_reach
from websocket_gateway.checks.messages import error, warning
from websocket_gateway.conf import get_settings, is_loopback
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.declared_routes import read_urlconf
from websocket_gateway.views.routed import find_routed_views, leads_to_a_view, may_choose_urlconf

_BODY_KEY = re.compile(r"\$request\.body\.([A-Za-z0-9_.-]+)|\$\{request\.body\.([A-Za-z0-9_.-]+)\}")
_LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


def check_row(gateway: ApiGateway) -> list[CheckMessage]:
    """Find everything about one gateway that its row shows."""
    # What else a row of another installation says is not about this project.
    messages = list(_foreign(gateway) if gateway.is_foreign else _check(gateway))
    for message in messages:
        message.obj = gateway
    return messages


def _check(gateway: ApiGateway) -> Iterator[CheckMessage]:
    yield from _provisioned(gateway)
    yield from _targets(gateway)
    yield from _target_leads_to_a_view(gateway)
    yield from _route_selection(gateway)
    yield from _region(gateway)
    if gateway.domain_name:
        yield from judge_reach(gateway.domain_name)


def _foreign(gateway: ApiGateway) -> Iterator[CheckMessage]:
    name = shlex.quote(gateway.api_name)
    yield error(
        "E119",
        "It belongs to another installation (another SECRET_KEY, or a copied database): nothing is sent, "
        "closed or verified through it.",
        hint=f"Run `manage.py delete_gateway {name} --forget`. If SECRET_KEY was changed, add the old one to "
        f"SECRET_KEY_FALLBACKS, or run `manage.py sync_routes {name}`.",
    )


def _provisioned(gateway: ApiGateway) -> Iterator[CheckMessage]:
    command = f"manage.py create_gateway {shlex.quote(gateway.api_name)}"
    if not gateway.api_created:
        yield warning("W106", "It does not exist in AWS yet, or not completely.", hint=f"Run `{command}`.")
    if gateway.last_error:
        yield warning(
            "W107", f"The last operation in AWS failed: {gateway.last_error}", hint=f"Run `{command}`."
        )


def _targets(gateway: ApiGateway) -> Iterator[CheckMessage]:
    urls = [gateway.target_base_endpoint]
    urls += gateway.additional_routes.values_list("integration_url", flat=True)
    for url in urls:
        plain = urlsplit(url).scheme == "http"
        if plain and not is_loopback(url):
            yield warning(
                "W101",
                f"{url} is plain http: the origin secret and every message travel unencrypted.",
                hint=f"Make it {url.replace('http:', 'https:', 1)} and run `manage.py sync_routes`.",
            )
        if plain and settings.SECURE_SSL_REDIRECT:
            yield warning(
                "W102",
                f"{url} is plain http, and SECURE_SSL_REDIRECT answers every event with a redirect.",
                hint=f"Make it {url.replace('http:', 'https:', 1)} and run `manage.py sync_routes`.",
            )


def _target_leads_to_a_view(gateway: ApiGateway) -> Iterator[CheckMessage]:
    target = urlsplit(gateway.target_base_endpoint)
    host = target.hostname or ""
    hosts = settings.ALLOWED_HOSTS or (_LOCAL_HOSTS if settings.DEBUG else [])
    if not validate_host(f"[{host}]" if ":" in host else host, hosts):
        yield warning(
            "W104",
            f"ALLOWED_HOSTS does not cover {host}, the target's host: Django answers every event with 400.",
            hint=f"Add {host!r} to ALLOWED_HOSTS, unless a proxy sets another Host header.",
        )
    try:
        read_urlconf()
    except ConfigurationError:
        return  # has a finding of its own
    if not leads_to_a_view(f"{target.path}connect") and not may_choose_urlconf():
        yield warning(
            "W103",
            f"{target.path}connect does not lead to a WebSocketView in this project's URLconf.",
            hint=f'Add path("{target.path.lstrip("/")}<str:route>", …), or correct the target URL.',
        )


def _route_selection(gateway: ApiGateway) -> Iterator[CheckMessage]:
    """Compare the key by which API Gateway chooses a route with the keys that the view reads."""
    found = _BODY_KEY.fullmatch(gateway.route_selection_expression)
    key = (found[1] or found[2]) if found else None
    for view in find_routed_views():
        if view.read("aws_api_gateway_id") not in (None, gateway.api_id):
            continue
        known = (view.read("handler_selection_key"), view.read("route_selection_key"))
        if key not in known:
            yield warning(
                "W105",
                f"API Gateway chooses routes by {gateway.route_selection_expression}, and {view} reads the "
                f"keys {known[0]!r} and {known[1]!r}.",
                hint=f'Set route_selection_key = "{key or "action"}" on the view, or the gateway\'s route '
                f"selection expression to $request.body.{known[1]}.",
            )


def _region(gateway: ApiGateway) -> Iterator[CheckMessage]:
    region = region_in(gateway.api_endpoint)
    configured = gateway.region_name or get_settings().region_name
    if region and configured and configured != region:
        yield warning(
            "W109",
            f"Its API is in {region}; the configured region {configured} is not used for it.",
            hint=f"Set AWS_GATEWAY_REGION_NAME = {region!r}, or the row's region.",
        )
