"""W103 and W016 where Django finds the view by more than the path and `ROOT_URLCONF`."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext_lazy as _

from tests.checks.projects import ChatView
from tests.diagnostics.test_rows import GOOD, findings
from tests.factories import ApiGatewayFactory
from websocket_gateway.views.routed import may_choose_urlconf

pytestmark = pytest.mark.django_db

TRANSLATED: Any = tuple(i18n_patterns(path("ws/<str:route>", ChatView.as_view())))
BARE: Any = tuple(i18n_patterns(path(_("ws/<str:route>"), ChatView.as_view()), prefix_default_language=False))
PLAIN: Any = (path("ws/<str:route>", ChatView.as_view()),)
ELSEWHERE: Any = (path("other/<str:route>", ChatView.as_view()),)


class ByHost(MiddlewareMixin):
    """As django-hosts, django-tenants and others choose a URLconf."""

    def process_request(self, request: HttpRequest) -> None:
        request.urlconf = PLAIN


class ByTenant(ByHost):
    """A class of the project that is derived from one."""


class InHelper:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    @staticmethod
    def setup(request: HttpRequest) -> None:
        request.urlconf = PLAIN

    def __call__(self, request: HttpRequest) -> Any:
        self.setup(request)
        return self.get_response(request)


def by_function(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        request.urlconf = PLAIN
        return get_response(request)

    return middleware


def unconcerned(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        return get_response(request)

    return middleware


def target(url: str) -> Any:
    return ApiGatewayFactory.create(**GOOD | {"target_base_endpoint": f"https://www.example.com{url}"})


@pytest.mark.parametrize(
    ("urlconf", "url", "overrides", "found"),
    [
        pytest.param(TRANSLATED, "/de/ws/", {}, [], id="a language"),
        pytest.param(TRANSLATED, "/en-us/ws/", {}, [], id="the default language"),
        pytest.param(TRANSLATED, "/ws/", {}, ["W103"], id="no language"),
        pytest.param(TRANSLATED, "/xx/ws/", {}, ["W103"], id="an unknown language"),
        pytest.param(TRANSLATED, "/de/ws/", {"LANGUAGES": [("en", "English")]}, ["W103"], id="not offered"),
        pytest.param(BARE, "/ws/", {}, [], id="default language without prefix"),
        pytest.param(BARE, "/de/ws/", {}, [], id="another language with prefix"),
        pytest.param(PLAIN, "/ws/", {"USE_I18N": False}, [], id="no translations"),
        pytest.param(PLAIN, "/shop/ws/", {"FORCE_SCRIPT_NAME": "/shop"}, [], id="script name"),
        pytest.param(PLAIN, "/shop/ws/", {"FORCE_SCRIPT_NAME": "/shop/"}, [], id="script name with slash"),
        pytest.param(PLAIN, "/ws/", {"FORCE_SCRIPT_NAME": "/shop"}, [], id="script name taken off"),
        pytest.param(PLAIN, "/shopping/ws/", {"FORCE_SCRIPT_NAME": "/shop"}, ["W103"], id="half a name"),
        pytest.param(TRANSLATED, "/shop/de/ws/", {"FORCE_SCRIPT_NAME": "/shop"}, [], id="both"),
        pytest.param(ELSEWHERE, "/ws/", {}, ["W103"], id="another path"),
    ],
)
def test_a_target_is_looked_up_as_django_will(
    urlconf: Any, url: str, overrides: dict[str, Any], found: list[str]
) -> None:
    assert findings(target(url), ROOT_URLCONF=urlconf, **overrides) == found


@pytest.mark.parametrize("name", ["ByHost", "ByTenant", "InHelper", "by_function"])
def test_a_middleware_that_chooses_the_urlconf_leaves_nothing_to_say(settings: Any, name: str) -> None:
    middleware = [*settings.MIDDLEWARE, f"{__name__}.{name}"]

    assert findings(target("/ws/"), ROOT_URLCONF=ELSEWHERE, MIDDLEWARE=middleware) == []


@pytest.mark.parametrize("name", ["unconcerned", "no_such_thing"])
def test_other_middleware_changes_nothing(settings: Any, name: str) -> None:
    middleware = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware", f"{__name__}.{name}"]

    assert findings(target("/ws/"), ROOT_URLCONF=ELSEWHERE, MIDDLEWARE=middleware) == ["W103"]


def test_djangos_own_middleware_chooses_no_urlconf(settings: Any) -> None:
    assert not may_choose_urlconf()
