"""Mixins and template tags: what a page needs to know of its socket."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template, TemplateSyntaxError
from django.views.generic import TemplateView

from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from websocket_gateway.mixins import AddWebSocketRouteToContextMixin, AppChannelWebSocketMixin

pytestmark = pytest.mark.django_db


def context_of(view: type[Any], **kwargs: Any) -> dict[str, Any]:
    return view().get_context_data(**kwargs)  # type: ignore[no-any-return]


class ChatPage(AddWebSocketRouteToContextMixin, TemplateView):
    websocket_route_key = "chat"
    channel_name = "lobby"


def test_context_holds_the_route_and_the_channel() -> None:
    route = ApiGatewayAdditionalRouteFactory.create(route_key="chat")
    ApiGatewayAdditionalRouteFactory.create(route_key="Chat")

    context = context_of(ChatPage, extra=1)

    assert context["api_gateway_route"] == route
    assert context["channel_name"] == "lobby"
    assert context["extra"] == 1


def test_route_that_does_not_exist_is_none() -> None:
    assert context_of(ChatPage)["api_gateway_route"] is None


def test_route_key_is_default_unless_given() -> None:
    assert AddWebSocketRouteToContextMixin.websocket_route_key == "default"


def test_gateway_can_be_named() -> None:
    ApiGatewayAdditionalRouteFactory.create(route_key="chat")
    other = ApiGatewayAdditionalRouteFactory.create(route_key="chat")

    class Page(ChatPage):
        api_gateway_name = other.api_gateway.api_name

    assert context_of(Page)["api_gateway_route"] == other


def test_gateway_of_the_route_costs_no_further_query(django_assert_num_queries: Any) -> None:
    ApiGatewayAdditionalRouteFactory.create(route_key="chat")

    with django_assert_num_queries(1):
        assert context_of(ChatPage)["api_gateway_route"].api_gateway.stage_name == "production"


class AppPage(AppChannelWebSocketMixin, TemplateView):
    __module__ = "django.contrib.auth.views"


def test_app_label_is_route_key_and_channel() -> None:
    route = ApiGatewayAdditionalRouteFactory.create(route_key="auth")

    context = context_of(AppPage)

    assert (context["api_gateway_route"], context["channel_name"]) == (route, "auth")


def test_channel_of_the_app_can_be_replaced() -> None:
    route = ApiGatewayAdditionalRouteFactory.create(route_key="auth")

    class Page(AppPage):
        __module__ = "django.contrib.auth.views"
        app_channel_override = "accounts"

    context = context_of(Page)

    assert (context["api_gateway_route"], context["channel_name"]) == (route, "accounts")


@pytest.mark.parametrize("module", ["mysite.views", "mysite.pages.home", "mysite"])
def test_view_of_the_projects_own_package_takes_its_name(module: str, settings: Any) -> None:
    settings.ROOT_URLCONF = "mysite.urls"
    route = ApiGatewayAdditionalRouteFactory.create(route_key="mysite")
    page = type("Page", (AppChannelWebSocketMixin, TemplateView), {"__module__": module})

    context = context_of(page)

    assert (context["api_gateway_route"], context["channel_name"]) == (route, "mysite")


def test_view_outside_every_app_is_told_so() -> None:
    class Page(AppChannelWebSocketMixin, TemplateView):
        __module__ = "nowhere.views"

    with pytest.raises(ImproperlyConfigured, match="not in an installed app"):
        context_of(Page)


def render(text: str, **context: Any) -> str:
    return Template("{% load websocket_gateway %}" + text).render(Context(context))


def config_in(html: str) -> Any:
    found = re.search(r'<script id="([\w-]+)" type="application/json">(.*)</script>', html)
    assert found is not None
    return {"id": found[1], **json.loads(found[2])}


def test_config_tag_renders_what_a_client_needs() -> None:
    gateway = ApiGatewayFactory.create()

    html = render("{% websocket_config channel=room token_url='/token/' %}", room="lobby")

    assert config_in(html) == {
        "id": "websocket-gateway",
        "url": f"{gateway.api_endpoint}/production",
        "tokenUrl": "/token/",
        "channel": "lobby",
        "subprotocol": "websocket-gateway",
    }


def test_config_cannot_break_out_of_its_script() -> None:
    ApiGatewayFactory.create()

    html = render("{% websocket_config channel=room %}", room="</script><script>alert(1)</script>")

    assert html.count("<script") == 1


@pytest.mark.urls("tests.views.urls")
def test_token_url_may_be_the_name_of_a_pattern() -> None:
    ApiGatewayFactory.create()

    assert config_in(render("{% websocket_config token_url='token' %}"))["tokenUrl"] == "/token/"
    with pytest.raises(TemplateSyntaxError):
        render("{% websocket_config token_url='nonsense' %}")


def test_custom_domain_is_the_address_once_it_exists() -> None:
    gateway = ApiGatewayFactory.create(custom_domain=True)
    assert render("{% websocket_url %}") == f"wss://{gateway.domain_name}"

    gateway.mapping_key = "chat"
    gateway.save()
    assert render("{% websocket_url %}") == f"wss://{gateway.domain_name}/chat"

    gateway.custom_domain_created = False
    gateway.save()
    assert render("{% websocket_url %}") == f"{gateway.api_endpoint}/production"


def test_gateway_that_was_not_created_has_no_address_yet() -> None:
    ApiGatewayFactory.create(planned=True)

    assert render("{% websocket_url %}") == ""


def test_gateway_can_be_named_where_there_are_several() -> None:
    _first, second = ApiGatewayFactory.create_batch(2)

    assert render("{% websocket_url name %}", name=second.api_name) == f"{second.api_endpoint}/production"


def test_route_of_the_default_gateway_comes_before_the_oldest(settings: Any) -> None:
    oldest = ApiGatewayAdditionalRouteFactory.create(route_key="chat")
    chosen = ApiGatewayAdditionalRouteFactory.create(route_key="chat")

    assert context_of(ChatPage)["api_gateway_route"] == oldest
    settings.WEBSOCKET_GATEWAY = {"DEFAULT_GATEWAY": chosen.api_gateway.api_name}
    assert context_of(ChatPage)["api_gateway_route"] == chosen
    settings.WEBSOCKET_GATEWAY = {"DEFAULT_GATEWAY": "nonsense"}
    assert context_of(ChatPage)["api_gateway_route"] == oldest
