"""Checks of cookies and origins: are they safe, do they reach the socket, and which pages may open one?"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.conf import get_settings
from websocket_gateway.receiving.origins import default_origins, parse_origin
from websocket_gateway.views.routed import find_routed_views

_COOKIES = ("SESSION_COOKIE", "CSRF_COOKIE")
_SOCKET_LABELS = frozenset({"ws", "wss", "websocket", "websockets", "socket", "sockets"})


def check_secure() -> Iterator[CheckMessage]:
    """Cookies must be sent over https only."""
    for cookie in _COOKIES:
        if not getattr(settings, f"{cookie}_SECURE"):
            yield warning(
                "W009",
                f"{cookie}_SECURE is False: the cookie is also sent over plain http.",
                hint=f"Set {cookie}_SECURE = True.",
            )


def check_same_site() -> Iterator[CheckMessage]:
    """SameSite must be Lax: the cookie is sent to our own hosts, but not by pages of other sites."""
    for cookie in _COOKIES:
        value = getattr(settings, f"{cookie}_SAMESITE")
        if isinstance(value, str) and value.lower() == "lax":
            continue
        if isinstance(value, str) and value.lower() == "strict":
            why = "a user who follows a link from another site arrives logged out, and gets no token"
        else:
            why = "pages of other sites can send it, and only the Origin check protects you"
        yield warning(
            "W010", f"{cookie}_SAMESITE is {value!r}: {why}.", hint=f'Set {cookie}_SAMESITE = "Lax".'
        )


def check_domains() -> Iterator[CheckMessage]:
    """The cookie's domain must include a host of the project: a browser discards other cookies."""
    hosts = _hosts()
    for cookie in _COOKIES:
        domain = getattr(settings, f"{cookie}_DOMAIN")
        if domain and hosts and not any(_is_within(host, domain) for host in hosts):
            yield warning(
                "W011",
                f"{cookie}_DOMAIN is {domain!r}, and none of ALLOWED_HOSTS is in it.",
                hint=f'Set {cookie}_DOMAIN = ".example.com" with the domain of your pages, or None.',
            )


def check_reach() -> Iterator[CheckMessage]:
    """The session cookie must reach the hosts that look like hosts of sockets."""
    for host in sorted(_socket_hosts()):
        yield from judge_reach(host)


def judge_reach(socket_host: str) -> Iterator[CheckMessage]:
    """Check that views without tokens receive the session cookie at `socket_host`."""
    pages = _hosts() - {socket_host} - _socket_hosts()
    views = [view for view in find_routed_views() if not view.read("USE_WS_TOKEN")]
    domain = settings.SESSION_COOKIE_DOMAIN
    if not pages or not views or (domain and _is_within(socket_host, domain)):
        return
    parent = next(filter(None, (_common_parent(socket_host, page) for page in sorted(pages))), None)
    by_cookie = f'Set SESSION_COOKIE_DOMAIN = ".{parent}", or use tokens' if parent else "Use tokens"
    yield warning(
        "W012",
        f"The session cookie cannot reach {socket_host}: SESSION_COOKIE_DOMAIN is {domain!r}, and "
        f"{views[0]} accepts connections without a token.",
        hint=f"{by_cookie}: delete USE_WS_TOKEN = False, and let pages fetch one from WebSocketTokenView.",
    )


def _socket_hosts() -> frozenset[str]:
    by_scheme = {host for scheme, host in _origins() if scheme in ("ws", "wss")}
    by_name = {host for host in _hosts() if host.split(".")[0] in _SOCKET_LABELS and "." in host}
    return frozenset(by_scheme | by_name)


def _hosts() -> frozenset[str]:
    """Every host that the settings name; `*` names none."""
    named = {host.lower().lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"}
    return frozenset(named | {host for _scheme, host in _origins()})


def _origins() -> Iterator[tuple[str, str]]:
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        try:
            parts = urlsplit(origin)
        except ValueError:
            continue  # half an IPv6 address; `check_trusted_origins` reports it
        host = (parts.hostname or "").removeprefix("*.")
        if host:
            yield parts.scheme, host


def _is_within(host: str, domain: str) -> bool:
    domain = domain.lower().lstrip(".")
    return host == domain or host.endswith(f".{domain}")


def _common_parent(one: str, other: str) -> str:
    """The longest common parent domain of at least two labels; empty if there is none."""
    labels = []
    for left, right in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if left != right:
            break
        labels.append(left)
    return ".".join(reversed(labels)) if len(labels) > 1 else ""


def check_patterns() -> Iterator[CheckMessage]:
    """Every entry of `ALLOWED_ORIGINS` must be an origin or a pattern of one."""
    for origin in get_settings().allowed_origins or ():
        if parse_origin(origin) is None:
            yield error(
                "E002",
                f'WEBSOCKET_GATEWAY["ALLOWED_ORIGINS"]: {origin!r} is not an origin, so it allows no page.',
                hint=f"Write {_corrected(origin)!r}: scheme and host, the port unless it is the default one, "
                "no slash at the end; https://*.example.com for sub-domains.",
            )


def check_trusted_origins() -> Iterator[CheckMessage]:
    """Every trusted origin must have a scheme and no path; `wss://` entries are for the cookies only."""
    if get_settings().allowed_origins is not None:
        return
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not origin.startswith(("ws://", "wss://")) and parse_origin(origin) is None:
            yield warning(
                "W024",
                f"CSRF_TRUSTED_ORIGINS: {origin!r} is not a plain origin: its pages must not open sockets.",
                hint=f"Write {_corrected(origin)!r}.",
            )


def check_any_origin_is_allowed() -> Iterator[CheckMessage]:
    """At least one origin must be allowed: browsers always send one."""
    allowed = get_settings().allowed_origins
    if allowed is None and (settings.DEBUG or default_origins()):
        return
    if not allowed:
        yield warning(
            "W008",
            "No origin is allowed, so no browser can open a socket.",
            hint='Set CSRF_TRUSTED_ORIGINS = ["https://www.example.com"] with the addresses of your pages; '
            "a * in ALLOWED_HOSTS allows no origin.",
        )


def _corrected(origin: str) -> str:
    """A guess at the intended origin."""
    scheme, separator, rest = origin.rpartition("://")
    host = rest.split("/")[0]
    guess = f"{scheme if separator else 'https'}://{host}"
    return guess if parse_origin(guess) else "https://www.example.com"
