"""`{% websocket_client %}`: configuration, script, nonce, CSRF token."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, TemplateSyntaxError
from django.test import Client, RequestFactory

import websocket_gateway
from tests.factories import ApiGatewayFactory, UserFactory
from websocket_gateway.client_config import CLIENT_OPTIONS, build_client_options

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.views.urls")]

CLIENT = Path(websocket_gateway.__file__).parent / "static/websocket_gateway/client.js"
OPTIONS = Path(websocket_gateway.__file__).parent / "client/options.js"
SCRIPT = '<script type="module" src="/static/websocket_gateway/client.js"></script>'


@pytest.fixture(autouse=True)
def gateway() -> Any:
    return ApiGatewayFactory.create(api_name="live")


def render(arguments: str = "", **context: Any) -> str:
    text = "{% load websocket_gateway %}{% websocket_client " + arguments + " %}"
    return Template(text).render(Context(context))


def config_in(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="websocket-gateway" type="application/json">(.*)</script>', html)
    assert found is not None
    config: dict[str, Any] = json.loads(found[1])
    return config


def request_for_page() -> HttpRequest:
    return RequestFactory().get("/")


def test_it_renders_the_configuration_and_loads_the_client(gateway: Any) -> None:
    html = render('channel="lobby" token_url="token"')

    assert config_in(html) == {
        "url": f"{gateway.api_endpoint}/production",
        "tokenUrl": "/token/",
        "channel": "lobby",
        "subprotocol": "websocket-gateway",
    }
    assert html.endswith(SCRIPT)


@pytest.mark.parametrize(
    ("arguments", "context"),
    [
        pytest.param("nonce=request_nonce", {"request_nonce": "r4nd0m"}, id="argument"),
        pytest.param("", {"csp_nonce": "r4nd0m"}, id="context"),
        pytest.param("nonce='r4nd0m'", {"csp_nonce": "other"}, id="the argument wins"),
    ],
)
def test_the_nonce_is_on_the_script(arguments: str, context: dict[str, Any]) -> None:
    assert render(arguments, **context).endswith(' nonce="r4nd0m"></script>')


def test_a_nonce_that_nothing_has_used_yet_is_used_all_the_same() -> None:
    class LazyNonce:
        def __bool__(self) -> bool:
            return False

        def __str__(self) -> str:
            return "r4nd0m"

    assert ' nonce="r4nd0m"' in render(csp_nonce=LazyNonce())


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has its own content security policy since 6.0")
def test_the_nonce_of_django_itself_is_on_the_script_and_in_the_policy(settings: Any) -> None:
    from django.middleware.csp import ContentSecurityPolicyMiddleware
    from django.template.context_processors import csp
    from django.utils.csp import CSP

    settings.SECURE_CSP = {"script-src": [CSP.SELF, CSP.NONCE]}
    page: Any = ContentSecurityPolicyMiddleware(
        lambda request: HttpResponse(render(csp_nonce=csp(request)["csp_nonce"]))
    )

    response = page(request_for_page())

    found = re.search(r' nonce="([^"]+)"></script>', response.content.decode())
    assert found is not None
    assert f"'nonce-{found[1]}'" in response.headers["Content-Security-Policy"]


def test_the_csrf_cookie_is_sent_with_the_page_and_named(settings: Any) -> None:
    settings.CSRF_COOKIE_NAME = "sample_csrf"
    request = request_for_page()

    config = config_in(render('token_url="token"', request=request))

    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"]
    assert (config["csrfCookie"], config["csrfHeader"]) == ("sample_csrf", "X-CSRFTOKEN")
    assert "csrfToken" not in config


@pytest.mark.parametrize("setting", ["CSRF_COOKIE_HTTPONLY", "CSRF_USE_SESSIONS"])
def test_the_csrf_token_is_in_the_page_where_scripts_cannot_read_it(settings: Any, setting: str) -> None:
    setattr(settings, setting, True)
    request = request_for_page()
    request.session = {}  # type: ignore[assignment]

    assert len(config_in(render('token_url="token"', request=request))["csrfToken"]) == 64


def test_a_public_endpoint_needs_no_csrf_cookie() -> None:
    request = request_for_page()

    assert "csrfCookie" not in config_in(render(request=request))
    assert "CSRF_COOKIE" not in request.META


def mark_in_page(user: Any) -> str:
    request = request_for_page()
    request.user = user
    return str(config_in(render('token_url="token"', request=request))["user"])


def mark_of_token(user: Any) -> dict[str, Any]:
    client = Client()
    client.force_login(user)
    answer: dict[str, Any] = client.post("/token/").json()
    return answer


def test_page_and_token_carry_the_same_mark_of_one_user_and_another_of_another() -> None:
    ada, grace = UserFactory.create(), UserFactory.create()

    assert mark_in_page(ada) == mark_of_token(ada)["user"]
    assert mark_in_page(ada) != mark_in_page(grace)
    assert len(mark_in_page(ada)) == 64
    assert "user_fallbacks" not in mark_of_token(ada)


def test_page_that_is_older_than_the_secret_key_still_fits_the_tokens_of_its_user(settings: Any) -> None:
    ada, grace = UserFactory.create(), UserFactory.create()
    before = mark_in_page(ada)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = (
        "another-secret-key-" + "x" * 40,
        [settings.SECRET_KEY],
    )

    assert mark_in_page(ada) != before
    assert mark_of_token(ada)["user_fallbacks"] == [before]
    assert before not in mark_of_token(grace)["user_fallbacks"]


def test_anonymous_visitor_has_an_empty_mark_and_a_public_page_none() -> None:
    request = request_for_page()

    assert mark_in_page(AnonymousUser()) == ""
    assert config_in(render('token_url="token"', request=request))["user"] == ""
    assert "user" not in config_in(render(request=request))
    assert config_in(render("share=True", request=request))["user"] == ""


def test_options_of_the_client_are_passed_on_in_its_spelling() -> None:
    config = config_in(render("share=True share_key=user queue_limit=20", user="7"))

    assert (config["share"], config["shareKey"], config["queueLimit"]) == (True, "7", 20)


def test_an_option_that_the_client_does_not_have_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(TemplateSyntaxError, match="no option 'shared'; did you mean 'share"):
        render("shared=True")
    with pytest.raises(TemplateSyntaxError, match="choose from token_by, "):
        render("xyzzy=True")


def test_nothing_breaks_out_of_the_page() -> None:
    evil = '"></script><script>alert(1)</script>'

    html = render("channel=evil nonce=evil share_key=evil", evil=evil)

    assert html.count("<script") == 2


def test_the_options_are_those_of_the_client() -> None:
    declared = re.search(r"const DEFAULTS = \{(.*?)\n\};", OPTIONS.read_text(), re.DOTALL)
    assert declared is not None
    known = set(re.findall(r"^  (\w+):", declared[1], re.MULTILINE))
    own = {"tokenUrl", "channel", "subprotocol", "csrfToken", "csrfCookie", "csrfHeader"}
    own |= {"token", "headers", "user", "positions", "members", "inbox", "unread"}

    assert set(build_client_options(dict.fromkeys(CLIENT_OPTIONS))) == known - own


def test_every_option_stands_in_the_page_of_the_client() -> None:
    page = (CLIENT.parents[3] / "management_docs/browser_client.md").read_text()

    assert [
        name for name in build_client_options(dict.fromkeys(CLIENT_OPTIONS)) if f"`{name}`" not in page
    ] == []
