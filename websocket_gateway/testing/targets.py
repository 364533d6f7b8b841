"""What a client of the tests calls: a view class, the result of `as_view()`, or a path of the URLconf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils import translation
from django.views.generic import View

from websocket_gateway.models import ApiGateway

_MANY: Final = 1_000_000_000
"""Attempts of a user in a window, where neither view nor settings name a limit: the default is for people."""

Callee = Callable[..., HttpResponseBase]


class Target:
    """The view that the events of one client go to."""

    def __init__(
        self,
        view: type[View] | Callee | str,
        url_kwargs: Mapping[str, object],
        initkwargs: Mapping[str, object],
    ) -> None:
        if isinstance(view, str):
            if url_kwargs or initkwargs:
                raise TypeError(
                    "A path takes its arguments from the URLconf: give it alone, or give the view."
                )
            self.path: str = view
            self._given: Callee | None = None
            self._resolve("connect")
        else:
            self.path = "/ws/"
            self._given = _callable_view(view, initkwargs)
        self._url_kwargs = dict(url_kwargs)

    def call(self, request: HttpRequest, slug: str, *, lenient: bool) -> HttpResponseBase:
        """Answer one event; `slug` ends its URL, `lenient` lifts the default limit of attempts."""
        with self._in_language():
            if self._given is None:
                request.resolver_match = match = self._resolve(slug)
                callee, arguments = match.func, match.kwargs
            else:
                callee, arguments = self._given, {"route": slug, **self._url_kwargs}
            return (_without_default_limit(callee) if lenient else callee)(request, **arguments)

    def attribute(self, name: str) -> Any:
        """An attribute of the view, with what `as_view()` was given; None where there is none."""
        with self._in_language():
            callee = self._resolve("connect").func if self._given is None else self._given
        return _read(callee, name)

    def _resolve(self, slug: str) -> ResolverMatch:
        try:
            with self._in_language():
                return resolve(self.path + slug)
        except Resolver404 as exc:
            raise ValueError(
                f"{self.path}{slug} leads to no view of {settings.ROOT_URLCONF}. Give what stands before the "
                'route, such as "/ws/" for path("ws/<str:route>", ...).'
            ) from exc

    def _in_language(self) -> AbstractContextManager[object]:
        """As `LocaleMiddleware` does for `i18n_patterns`: the language of the path, if it has one."""
        language = translation.get_language_from_path(self.path) if settings.USE_I18N else None
        return translation.override(language) if self._given is None and language else nullcontext()


def _callable_view(view: type[View] | Callee, initkwargs: Mapping[str, object]) -> Callee:
    if not isinstance(view, type):
        if initkwargs:
            raise TypeError("as_view() was called already: give it these arguments, or give the class.")
        return view
    if not issubclass(view, View):
        raise TypeError(f"{view.__name__} is not a view: give a subclass of WebSocketView.")
    return view.as_view(**initkwargs)


def _read(callee: Callee, name: str) -> Any:
    own = getattr(callee, "view_initkwargs", {})
    return own[name] if name in own else getattr(getattr(callee, "view_class", None), name, None)


def _without_default_limit(callee: Callee) -> Callee:
    if getattr(callee, "__code__", None) is not View.as_view().__code__:
        return callee  # decorated: as_view() alone would lose the decorator
    view_class: Any = callee.view_class  # type: ignore[attr-defined]
    by_settings = "RATE_LIMIT_MAX_ATTEMPTS" in (getattr(settings, "WEBSOCKET_GATEWAY", None) or {})
    if by_settings or _read(callee, "RATE_LIMIT_MAX_ATTEMPTS") is not None:
        return callee
    if not hasattr(view_class, "RATE_LIMIT_MAX_ATTEMPTS"):
        return callee  # a view of another kind
    options = {**callee.view_initkwargs, "RATE_LIMIT_MAX_ATTEMPTS": _MANY}  # type: ignore[attr-defined]
    made: Callee = view_class.as_view(**options)
    return made


def any_gateway(pinned: str | None) -> ApiGateway:
    """The first gateway in AWS, or the one that the view is pinned to; made where there is none."""
    rows = ApiGateway.objects.exclude(api_id="")
    gateway: ApiGateway | None = (rows.filter(api_id=pinned) if pinned else rows).first()
    if gateway is not None:
        return gateway
    api_id = pinned or "testing0001"
    made: ApiGateway = ApiGateway.objects.create(
        api_name=f"testing {pinned}" if pinned else "testing",
        region_name="eu-west-1",
        target_base_endpoint="https://www.example.com/ws/",
        api_id=api_id,
        api_endpoint=f"wss://{api_id}.execute-api.eu-west-1.amazonaws.com",
        api_created=True,
    )
    return made
