"""Route keys that view classes in the URLconf declare by `websocket_route_keys`, with the path to each view.

A declared key is served under the part `default` of its view's URL: API Gateway says in a header of its
own which route an event came by, and `connect` and `disconnect` belong to other events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, cast
from urllib.parse import quote, unquote

from django.conf import settings
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, get_script_prefix
from django.utils.regex_helper import normalize
from django.views import View

from websocket_gateway.exceptions import ConfigurationError

_SLUG = "default"
_SAFE = "/~:@!$&'()*+,;="  # RFC 3986: what may stand in a path as it is


class DeclaredRoute(NamedTuple):
    """A route key that a view serves."""

    route_key: str
    path: str
    """From the root of the host."""
    gateway_name: str | None
    """None: the project's only gateway."""
    source: str
    """The view, as words."""


def find_declared_routes() -> tuple[DeclaredRoute, ...]:
    """Every route key that a view in the URLconf declares, however deep it is included.

    Raises `ConfigurationError` if the URLconf cannot be read, or if a view's URL cannot be read from it.
    """
    return tuple(route for pattern, regex in read_urlconf() for route in _declared_by(pattern, regex))


def read_urlconf() -> list[tuple[URLPattern, str]]:
    """Every pattern of the URLconf with its whole regular expression.

    Raises `ConfigurationError` if the URLconf cannot be read.
    """
    try:
        return list(_walk(get_resolver().url_patterns, ""))
    except Exception as exc:  # it is the project's code, and may raise anything
        raise ConfigurationError(f"The URLconf {settings.ROOT_URLCONF} cannot be read: {exc}") from exc


def mount_prefix(target_path: str) -> str:
    """The path at which a proxy serves this project, such as `/app`; empty at the root of the host.

    `target_path` is that of a gateway's target URL. The prefix is what stands in it before the URL of a view
    for gateways. A project that knows its prefix (`FORCE_SCRIPT_NAME`) has it in its paths already.
    """
    if get_script_prefix() != "/":
        return ""
    parts = unquote(target_path).strip("/").split("/")
    for count in range(len(parts) + 1):
        if _is_for_gateways("/".join(["", *parts[count:], _SLUG])):
            return quote("".join(f"/{part}" for part in parts[:count]), safe=_SAFE)
    return ""


def _is_for_gateways(path: str) -> bool:
    try:
        view = class_based(get_resolver().resolve(path).func)
    except Resolver404:
        return False
    return view is not None and hasattr(view.view_class, "websocket_route_keys")


def _walk(patterns: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[URLPattern, str]]:
    for item in patterns:
        regex = prefix + item.pattern.regex.pattern.removeprefix("^")
        if isinstance(item, URLResolver):
            yield from _walk(item.url_patterns, regex)
        elif isinstance(item, URLPattern):
            yield item, regex


def _declared_by(pattern: URLPattern, regex: str) -> Iterator[DeclaredRoute]:
    view = class_based(pattern.callback)
    if view is None:
        return
    view_class = view.view_class
    name = f"{view_class.__module__}.{view_class.__qualname__}"
    declared = view.view_initkwargs.get(
        "websocket_route_keys", getattr(view_class, "websocket_route_keys", ())
    )
    keys = dict(_keys(declared, name))
    if not keys:
        return
    path = _path(pattern, regex, name)
    for key, gateway_name in keys.items():
        yield DeclaredRoute(route_key=key, path=path, gateway_name=gateway_name, source=name)


class ClassBasedView(Protocol):
    """A view function that `as_view` made."""

    view_class: type[View]
    view_initkwargs: Mapping[str, object]


def class_based(callback: object) -> ClassBasedView | None:
    """The function that `as_view` made, beneath any decorators; None for a plain function."""
    while callback is not None:
        # A runtime check of the protocol costs much more, and is made for every URL of the admin.
        if hasattr(callback, "view_class") and hasattr(callback, "view_initkwargs"):
            return cast(ClassBasedView, callback)
        callback = getattr(callback, "__wrapped__", None)
    return None


def _keys(declared: object, name: str) -> Iterator[tuple[str, str | None]]:
    """The keys with the gateway of each; None where the view names none."""
    if isinstance(declared, Mapping):
        pairs: list[tuple[object, object]] = list(declared.items())
    elif isinstance(declared, (list, tuple, set, frozenset)):
        pairs = [(key, None) for key in declared]
    else:
        pairs = [(None, None)]
    for key, gateway_name in pairs:
        if not isinstance(key, str) or not (gateway_name is None or isinstance(gateway_name, str)):
            raise ConfigurationError(
                f'{name}.websocket_route_keys must be a tuple of route keys such as ("move",), or a dict '
                f"from route key to the name of a gateway, not {declared!r}."
            )
        if not key or key.startswith("$"):
            raise ConfigurationError(
                f"{name}.websocket_route_keys: {key!r} is not a key of your own. "
                "Keys that begin with $ are AWS's, and go to the gateway's target URL."
            )
        yield key, gateway_name


def _path(pattern: URLPattern, regex: str, name: str) -> str:
    """The path that leads to the view, with `default` for the URL's part `route`."""
    if pattern.default_args.get("route") in ("connect", "disconnect"):
        raise ConfigurationError(
            f"{name} declares route keys, but its URL is the one of ${pattern.default_args['route']} events."
        )
    for template, parts in normalize(regex):
        if set(parts) <= {"route"}:
            path: str = template % dict.fromkeys(parts, _SLUG)
            _check_reaches(pattern.callback, path, name)
            return quote(get_script_prefix() + path, safe=_SAFE)
    raise ConfigurationError(
        f"{name} declares route keys, but its URL {pattern.pattern} has parts beside <str:route>, which "
        "cannot be filled in. Give the view a URL of its own, or make an additional route in the admin."
    )


def _check_reaches(callback: Callable[..., object], path: str, name: str) -> None:
    try:
        found = get_resolver().resolve("/" + path).func
    except Resolver404:
        found = None
    if found is not callback:
        raise ConfigurationError(
            f"{name} declares route keys, but the URL /{path} does not lead to it: "
            "another pattern answers first, or its converter does not take the word default."
        )
