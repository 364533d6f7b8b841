"""`WebSocketTokenView`: issues connect tokens to logged-in users, unless a limit would refuse the token."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.cache import add_never_cache_headers
from django.views.generic import View

from websocket_gateway import security_log
from websocket_gateway.auth_backends import backend_of
from websocket_gateway.client_config import build_user_marks
from websocket_gateway.conf import get_settings
from websocket_gateway.connections.sessions import has_open
from websocket_gateway.database_errors import describe_away, is_away
from websocket_gateway.exceptions import RateLimitedError
from websocket_gateway.logins import current_session_key, is_active
from websocket_gateway.receiving.limits import find_used_up
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.security_log import Limited, Rule
from websocket_gateway.views.limits import (
    RETRY_AFTER_FULL,
    SCOPE,
    limits_attempts,
    read_limit,
    user_key,
    window_seconds,
)
from websocket_gateway.views.routed import find_routed_views
from websocket_gateway.views.websocket import WebSocketView, exempt


class WebSocketTokenView(View):
    """POST: `{"token": …, "expires_in": seconds, "user": mark}` for the user who is logged in.

    And `"token_by": "subprotocol"` where the setting `TOKEN_BY` says so.

    Refusals are JSON: 403 with `{"error": "csrf_failed"}` or `{"error": "not_authenticated"}`,
    429 with `{"error": "rate_limited"}` and `Retry-After` beyond `TOKEN_RATE_LIMIT_PER_MINUTE`, and while
    a limit of connections would refuse the token; 503 with `{"error": "busy"}` while the database is away.
    """

    http_method_names = ["post"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Exempt the view from CSRF and login middleware, which answer with HTML or a redirect.

        And from `ATOMIC_REQUESTS`: the transaction begins outside of the view, which could not answer
        while the database is away.
        """
        view = super().as_view(**initkwargs)
        return exempt(view)

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Check the CSRF token first, whether or not the CSRF middleware is installed."""
        try:
            response = _check_csrf(request) or super().dispatch(request, *args, **kwargs)
        except Error as exc:
            if not is_away(exc):
                raise
            _log(request, "busy", describe_away(exc), status=503)
            response = JsonResponse({"error": "busy"}, status=503, headers={"Retry-After": "1"})
        add_never_cache_headers(response)
        return response

    def http_method_not_allowed(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """405, which is logged."""
        _log(request, "method_not_allowed", str(request.method), status=405)
        return super().http_method_not_allowed(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Issue one token."""
        user: AbstractBaseUser | AnonymousUser | None = getattr(request, "user", None)
        if user is None or not user.is_authenticated or not is_active(user):
            reason = "no active user is logged in"
            _log(request, "not_authenticated", reason, status=403, user_id=getattr(user, "pk", None))
            return JsonResponse({"error": "not_authenticated"}, status=403)
        refusal = find_refusal(user)
        if refusal is not None:
            return _too_many(request, user, rule=refusal.rule, retry_after=refusal.retry_after)
        try:
            token = issue_token(
                user, session_key=current_session_key(request), backend=backend_of(request, user)
            )
        except RateLimitedError as exc:
            return _too_many(request, user, rule="TOKEN_RATE_LIMIT_PER_MINUTE", retry_after=exc.retry_after)
        options = get_settings()
        answer = {"token": token, "expires_in": options.token_expiry_seconds, **build_user_marks(user)}
        if options.token_by != "query":  # noqa: S105 - a way
            answer["token_by"] = options.token_by
        return JsonResponse(answer)


def _too_many(
    request: HttpRequest, user: AbstractBaseUser, *, rule: Limited, retry_after: int
) -> HttpResponse:
    _log(request, rule, rule, code="rate_limited", status=429, user_id=user.pk)
    headers = {"Retry-After": str(retry_after)}
    return JsonResponse({"error": "rate_limited"}, status=429, headers=headers)


def _log(
    request: HttpRequest, rule: Rule, reason: str, *, status: int, code: str = "", user_id: object = None
) -> None:
    """Write to the security log why no token is issued."""
    security_log.write(
        rule,
        f"no token is issued: {reason}",
        user_id=user_id,
        source_ip=request.META.get("REMOTE_ADDR"),
        origin=request.META.get("HTTP_ORIGIN"),
        code=code or rule,
        status=status,
    )


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, with a response that a script can read."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        from_elsewhere = reason.startswith(("Origin ", "Referer "))
        # The address of the page that Django names there may have a query string.
        shown = reason.partition(" - ")[0] if from_elsewhere else reason
        rule: Rule = "csrf_origin" if from_elsewhere else "csrf_failed"
        _log(request, rule, f"CSRF check failed: {shown}", code="csrf_failed", status=403)
        return JsonResponse({"error": "csrf_failed"}, status=403)


def _check_csrf(request: HttpRequest) -> HttpResponseBase | None:
    check = _CsrfCheck(lambda request: HttpResponse())
    check.process_request(request)
    refusal: HttpResponseBase | None = check.process_view(request, _never_exempt, (), {})
    return refusal


def _never_exempt(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


_Read = Callable[[str], int | None]
"""Answers an attribute of a view."""


class Refusal(NamedTuple):
    """The rule that would refuse the connection, and in how many seconds it might accept it."""

    rule: Limited
    retry_after: int


def find_refusal(user: AbstractBaseUser) -> Refusal | None:
    """What keeps `user` from connecting to any view of the URLconf; None if one of them would accept.

    A URLconf without such views belongs to a project that serves them elsewhere: the settings hold then.
    """
    views = _readers(settings.ROOT_URLCONF)
    retry_after = _attempts_used_up(user, views)
    if retry_after is not None:
        return Refusal(rule="RATE_LIMIT_MAX_ATTEMPTS", retry_after=retry_after)
    most = [read_limit(read, "MAX_CONNECTIONS_PER_USER") for read in views]
    if min(most) > 0 and has_open(user.pk, max(most)):
        return Refusal(rule="MAX_CONNECTIONS_PER_USER", retry_after=RETRY_AFTER_FULL)
    return None


def _attempts_used_up(user: AbstractBaseUser, views: tuple[_Read, ...]) -> int | None:
    if not all(limits_attempts(read) for read in views):
        return None
    limits: dict[int, int] = {}
    for read in views:
        seconds = window_seconds(read)
        limits[seconds] = max(limits.get(seconds, 0), read_limit(read, "RATE_LIMIT_MAX_ATTEMPTS"))
    return find_used_up(SCOPE, user_key(user), limits)


@lru_cache(maxsize=8)
def _readers(urlconf: str) -> tuple[_Read, ...]:
    """The views of a URLconf, which a process walks through once."""
    return tuple(view.read for view in find_routed_views()) or (_default,)


def _default(name: str) -> int | None:
    value: int | None = getattr(WebSocketView, name)
    return value
