"""A mistake in a template tag: an error for developers, a page without an address in production."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.shortcuts import render as render_page
from django.template import Context, Template, TemplateSyntaxError, engines
from django.test import RequestFactory
from django.urls import reverse_lazy
from django.utils.functional import SimpleLazyObject, lazystr
from django.views.generic import TemplateView

from tests.factories import ApiGatewayFactory, UserFactory
from websocket_gateway import page_errors
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.mixins import AddWebSocketRouteToContextMixin
from websocket_gateway.models import ApiGateway

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.views.urls")]


@pytest.fixture(autouse=True)
def gateway() -> Any:
    page_errors.warn_once.cache_clear()
    return ApiGatewayFactory.create(api_name="live")


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """As no test runner has prepared this process."""
    settings.DEBUG = False
    monkeypatch.delattr(mail, "outbox")


def fail() -> None:
    raise LookupError("the project's own code")


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("cannot be shown")


def render(text: str, **context: Any) -> str:
    page = "<h1>Shop</h1>{% load websocket_gateway %}" + text
    return Template(page).render(Context({"fail": fail, "unprintable": Unprintable(), **context}))


def config_in(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="websocket-gateway" type="application/json">(.*?)</script>', html)
    assert found is not None, html
    config: dict[str, Any] = json.loads(found[1])
    return config


WRONG = [
    pytest.param("{% websocket_client shared=True %}", "no option 'shared'", id="unknown option"),
    pytest.param("{% websocket_client token_url='nonsense' %}", "nonsense", id="unknown URL name"),
    pytest.param("{% websocket_client share='yes' %}", "'share' must be True or False", id="text for a flag"),
    pytest.param(
        "{% websocket_client queue_limit='many' %}", "'queue_limit' must be a number", id="no number"
    ),
    pytest.param("{% websocket_client queue_limit=True %}", "must be a number", id="flag for a number"),
    pytest.param("{% websocket_client rotate_ms=-1 %}", "must be a number", id="negative"),
    pytest.param("{% websocket_client rotate_ms=endless %}", "must be a number", id="infinite"),
    pytest.param("{% websocket_client queue_limit=unprintable %}", "cannot be shown", id="object"),
    pytest.param("{% websocket_client channel=fail %}", "own code", id="callable that raises"),
    pytest.param("{% websocket_client gateway=unprintable %}", "cannot be shown", id="no text"),
    pytest.param("{% websocket_client nonce=unprintable %}", "cannot be shown", id="nonce"),
    pytest.param("{% websocket_client channel=1 channel=2 %}", "multiple values", id="twice"),
    pytest.param("{% websocket_client channel='a'|nonsense %}", "nonsense", id="unknown filter"),
    pytest.param("{% websocket_config shared=True %}", "shared", id="config: unknown"),
    pytest.param("{% websocket_config 1 2 3 4 5 %}", "too many", id="config: too many"),
    pytest.param("{% websocket_config token_url='nonsense' %}", "nonsense", id="config: URL name"),
    pytest.param("{% websocket_config channel=fail %}", "own code", id="config: callable"),
]
CONTEXT = {"endless": float("inf")}


@pytest.mark.parametrize(("tag", "reason"), WRONG)
@pytest.mark.parametrize("debug", [False, True], ids=["tests", "DEBUG"])
def test_a_mistake_is_an_error_for_developers(
    tag: str, reason: str, debug: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = debug
    if debug:
        monkeypatch.delattr(mail, "outbox")

    with pytest.raises((TemplateSyntaxError, LookupError, ValueError), match=reason):
        render(tag, **CONTEXT)


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(("tag", "reason"), WRONG)
def test_in_production_the_page_is_shown_and_one_line_says_why(
    tag: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [render(tag, **CONTEXT) for _ in range(3)]

    assert all(page.startswith("<h1>Shop</h1>") for page in pages)
    assert config_in(pages[0])["url"] == config_in(pages[0])["tokenUrl"] == ""
    assert ("client.js" in pages[0]) == ("websocket_client" in tag)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert reason in record.getMessage()


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("tag", ["{% websocket_url 1 2 %}", "{% websocket_url gateway=fail %}"])
def test_the_address_is_empty_then_also_as_a_variable(tag: str) -> None:
    assert render(tag) == "<h1>Shop</h1>"
    assert render("{% websocket_url gateway=fail as url %}[{{ url }}]") == "<h1>Shop</h1>[]"


def test_an_address_as_a_variable(gateway: ApiGateway) -> None:
    assert render("{% websocket_url as url %}[{{ url }}]") == (
        f"<h1>Shop</h1>[{gateway.api_endpoint}/production]"
    )


def test_lazy_values_are_values() -> None:
    html = render(
        "{% websocket_client channel=name token_url=url queue_limit=limit share_key=key "
        "share=on rotate_ms=no %}",
        name=lazystr("lobby"),
        url=reverse_lazy("token"),
        limit=SimpleLazyObject(lambda: 20),
        key=UserFactory.create(username="ada"),
        on=SimpleLazyObject(lambda: True),
        no=None,
    )

    config = config_in(html)
    chosen = {"channel": "lobby", "tokenUrl": "/token/", "queueLimit": 20, "shareKey": "ada", "share": True}
    assert {name: config[name] for name in chosen} == chosen
    assert "rotateMs" not in config


PAGE = "{% load websocket_gateway %}{% websocket_client token_url='token' %}"


def without_processors(tmp_path: Any) -> dict[str, Any]:
    (tmp_path / "page.html").write_text(PAGE)
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(tmp_path)],
        "OPTIONS": {"libraries": {"websocket_gateway": "websocket_gateway.templatetags.websocket_gateway"}},
    }


def test_the_request_is_found_without_its_context_processor(settings: Any, tmp_path: Any) -> None:
    settings.TEMPLATES = [without_processors(tmp_path)]
    request = RequestFactory().get("/")
    request.user = UserFactory.create()

    config = config_in(render_page(request, "page.html").content.decode())

    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"]
    assert config["csrfCookie"] == "csrftoken"
    assert len(config["user"]) == 64


def test_a_variable_called_request_is_not_taken_for_one(settings: Any, tmp_path: Any) -> None:
    settings.TEMPLATES = [without_processors(tmp_path)]
    request = RequestFactory().get("/")

    html = render_page(request, "page.html", {"request": {"id": 7}}).content.decode()

    assert config_in(html)["csrfCookie"] == "csrftoken"
    assert "CSRF_COOKIE" in request.META


def test_without_a_request_the_token_of_the_context_is_included() -> None:
    request = HttpRequest()
    page: Callable[..., str] = engines["django"].from_string(PAGE).render

    with_token = config_in(page({"csrf_token": get_token(request)}))
    without = config_in(page({}))

    assert len(with_token["csrfToken"]) == 64
    assert "csrfToken" not in without


class ShopPage(AddWebSocketRouteToContextMixin, TemplateView):
    websocket_route_key = "chat"


@pytest.mark.usefixtures("production")
def test_a_page_of_the_mixin_is_shown_whatever_is_wrong_in_the_settings(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WEBSOCKET_GATEWAY = {"NO_SUCH_KEY": 1}

    assert [ShopPage().get_context_data()["api_gateway_route"] for _ in range(3)] == [None] * 3

    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "no route 'chat'" in said
    assert "NO_SUCH_KEY" in said


def test_the_same_is_an_error_for_developers(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"NO_SUCH_KEY": 1}

    with pytest.raises(ConfigurationError, match="NO_SUCH_KEY"):
        ShopPage().get_context_data()
