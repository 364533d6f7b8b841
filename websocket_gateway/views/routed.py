"""The WebSocket views in the URLconf."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import Resolver404, URLResolver, get_resolver, resolve
from django.utils import translation
from django.utils.module_loading import import_string

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.provisioning.declared_routes import class_based, read_urlconf
from websocket_gateway.views.websocket import WebSocketView


class RoutedView(NamedTuple):
    """A view class in one pattern of the URLconf."""

    view_class: type[WebSocketView]
    initkwargs: Mapping[str, object]
    """Arguments of `as_view()`; they override the attributes of the class."""
    pattern: str
    """As written in the URLconf."""
    regex: str
    """The regular expression of the whole path, from the root."""
    arguments: Mapping[str, object]
    """Arguments that the pattern itself passes to the view."""

    def read(self, attribute: str) -> Any:
        """The value that an instance will have."""
        return self.initkwargs.get(attribute, getattr(self.view_class, attribute))

    def __str__(self) -> str:
        return name_of(self.view_class)


def name_of(view_class: type) -> str:
    """The dotted path of a class."""
    return f"{view_class.__module__}.{view_class.__qualname__}"


def find_routed_views() -> tuple[RoutedView, ...]:
    """Every `WebSocketView` in the URLconf; empty if it cannot be read, which is a finding by itself."""
    return _find(get_resolver())


@lru_cache(maxsize=1)
def _find(resolver: URLResolver) -> tuple[RoutedView, ...]:
    """The views of one resolver, which Django makes again when the URLconf changes."""
    try:
        patterns = read_urlconf()
    except ConfigurationError:
        return ()
    found = []
    for pattern, regex in patterns:
        view = class_based(pattern.callback)
        if view is not None and issubclass(view.view_class, WebSocketView):
            found.append(
                RoutedView(
                    view_class=view.view_class,
                    initkwargs=view.view_initkwargs,
                    pattern=str(pattern.pattern),
                    regex=regex,
                    arguments=pattern.default_args,
                )
            )
    return tuple(found)


def leads_to_a_view(path: str) -> bool:
    """Whether a path leads to a `WebSocketView`, in any language; servers may cut `FORCE_SCRIPT_NAME` off."""
    script = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    paths = {path, path.removeprefix(script)} if path.startswith(f"{script}/") else {path}
    languages = {settings.LANGUAGE_CODE, *(code for code, _name in settings.LANGUAGES)}
    for language in sorted(languages) if settings.USE_I18N else [None]:
        with translation.override(language):
            if any(_is_view(found) for found in paths):
                return True
    return False


def _is_view(path: str) -> bool:
    try:
        view = class_based(resolve(path).func)
    except Resolver404:
        return False
    return view is not None and issubclass(view.view_class, WebSocketView)


def may_choose_urlconf() -> bool:
    """Whether a middleware of the project sets `request.urlconf`: then `ROOT_URLCONF` is not all there is."""
    for path in settings.MIDDLEWARE:
        with suppress(Exception):  # the project's code; `manage.py check` reports it
            found = import_string(path)
            layers = found.__mro__ if isinstance(found, type) else (found,)
            if any(_names_urlconf(layer) for layer in layers if not layer.__module__.startswith("django.")):
                return True
    return False


def _names_urlconf(part: object) -> bool:
    """Whether the code of a function or class, or of a function in it, has the attribute `urlconf`."""
    if isinstance(part, type):
        return any(_names_urlconf(item) for item in vars(part).values())
    function = getattr(part, "__func__", part)  # of a static or class method
    code = part if isinstance(part, CodeType) else getattr(function, "__code__", None)
    if code is None:
        return False
    return "urlconf" in code.co_names or any(
        _names_urlconf(item) for item in code.co_consts if isinstance(item, CodeType)
    )
