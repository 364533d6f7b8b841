"""A page is shown, whatever there is of gateways and tables; the log says why it has no address."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, connections, transaction
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from django.views.generic import TemplateView

from tests.factories import ApiGatewayFactory
from websocket_gateway import page_errors
from websocket_gateway.diagnostics.database import probe_default_gateway
from websocket_gateway.mixins import AddWebSocketRouteToContextMixin
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_said_yet() -> None:
    page_errors.warn_once.cache_clear()


def render(tag: str = "websocket_client") -> str:
    return Template("{% load websocket_gateway %}{% " + tag + " %}").render(Context({"nothing": None}))


def address(tag: str = "websocket_client") -> str:
    found = re.search(r'type="application/json">(.*)</script>', render(tag))
    assert found is not None
    return str(json.loads(found[1])["url"])


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def make(*names: str, **fields: Any) -> None:
    for name in names:
        ApiGatewayFactory.create(api_name=name, **fields)


@pytest.mark.parametrize("tag", ["websocket_client", "websocket_config"])
@pytest.mark.parametrize(
    ("prepare", "argument", "reason"),
    [
        pytest.param(lambda: None, "", "there is no gateway.", id="no gateway"),
        pytest.param(lambda: None, " gateway='chat'", "no gateway 'chat'. Run", id="named and none"),
        pytest.param(lambda: make("other"), " gateway='a b'", "create_gateway 'a b'`", id="another name"),
        pytest.param(
            lambda: make("chat", planned=True), "", "'chat' does not exist in AWS", id="not created"
        ),
        pytest.param(
            lambda: make("chat", planned=True), " gateway='chat'", "in AWS yet", id="named, planned"
        ),
        pytest.param(lambda: make("a", "b"), "", "several gateways ('a', 'b')", id="several"),
        pytest.param(lambda: make("a", "b", planned=True), "", "several gateways", id="several planned"),
        pytest.param(
            lambda: make("a", api_endpoint="wss://[::1"), "", "which is not a URL", id="half an address"
        ),
        pytest.param(lambda: make("a", api_endpoint="xxx"), "", "'a' has 'xxx' stored", id="text"),
        pytest.param(lambda: make("a", api_endpoint="wss://"), "", "Run `manage.py sync_r", id="no host"),
        pytest.param(lambda: make("a", api_endpoint="wss://h:99999"), "", "not a URL", id="no port"),
        pytest.param(lambda: None, " gateway=5", "Run `manage.py create_gateway 5`", id="number"),
        pytest.param(lambda: None, " gateway=nothing", "there is no gateway.", id="none"),
    ],
)
def test_the_page_is_rendered_without_an_address_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture, prepare: Any, argument: str, reason: str, tag: str
) -> None:
    prepare()

    assert [address(tag + argument) for _ in range(3)] == [""] * 3
    assert render("websocket_url" + argument) == ""

    (said,) = warnings(caplog)
    assert reason in said
    assert "<" not in said


def test_the_client_is_loaded_all_the_same() -> None:
    assert '<script type="module" src="/static/websocket_gateway/client.js"></script>' in render()


@pytest.mark.parametrize(
    ("default", "expected"),
    [pytest.param("", "", id="none"), pytest.param("b", "b", id="one of them"), ("nonsense", "")],
)
def test_of_several_gateways_pages_connect_to_the_default_one(
    settings: Any, default: str, expected: str
) -> None:
    make("a", "b", "c")
    settings.WEBSOCKET_GATEWAY = {"DEFAULT_GATEWAY": default}

    wanted = ApiGateway.objects.filter(api_name=expected).first()

    assert address() == (f"{wanted.api_endpoint}/production" if wanted else "")
    assert address("websocket_client gateway='c'").startswith(
        ApiGateway.objects.get(api_name="c").api_endpoint
    )


def test_the_only_one_that_exists_in_aws_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    make("a", "c", planned=True)
    make("b")

    assert address() == f"{ApiGateway.objects.get(api_name='b').api_endpoint}/production"
    assert warnings(caplog) == []


def test_a_default_that_no_row_has_is_told_and_the_only_one_is_taken(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    make("local")
    settings.WEBSOCKET_GATEWAY = {"DEFAULT_GATEWAY": "production"}

    assert address().startswith("wss://")
    assert address().startswith("wss://")
    assert warnings(caplog) == ["There is no gateway 'production', which DEFAULT_GATEWAY names."]


def test_the_check_names_a_default_that_no_row_has(settings: Any) -> None:
    assert probe_default_gateway() == []
    make("local")
    settings.WEBSOCKET_GATEWAY = {"DEFAULT_GATEWAY": "production"}
    (finding,) = probe_default_gateway()
    assert str(finding.id).endswith("W115")
    assert "'local'" in str(finding)

    settings.WEBSOCKET_GATEWAY = {"DEFAULT_GATEWAY": "local"}
    assert probe_default_gateway() == []


def test_wrong_options_are_errors_although_there_is_no_gateway() -> None:
    with pytest.raises(TemplateSyntaxError, match="no option"):
        render("websocket_client shared=True")
    with pytest.raises(TemplateSyntaxError):
        render("websocket_client token_url='nonsense'")


class ChatPage(AddWebSocketRouteToContextMixin, TemplateView):
    websocket_route_key = "chat"


def test_a_page_of_the_mixin_without_a_route_is_rendered() -> None:
    route: Any = ChatPage().get_context_data()["api_gateway_route"]
    text = "{% load websocket_gateway %}{% websocket_url gateway=route.api_gateway.api_name %}"

    assert Template(text).render(Context({"route": route})) == ""


@pytest.mark.parametrize("tag", ["websocket_client share=True", "websocket_config"])
def test_a_page_that_async_code_renders_has_no_address_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture, tag: str
) -> None:
    make("live")
    request: Any = RequestFactory().get("/")
    request.user = SimpleLazyObject(lambda: User.objects.get())
    template = Template("{% load websocket_gateway %}{% " + tag + " %}")

    async def view() -> list[str]:
        return [template.render(Context({"request": request})) for _ in range(3)]

    for page in async_to_sync(view)():
        assert '"url": ""' in page

    (said,) = warnings(caplog)
    assert "sync_to_async(render)" in said


@pytest.mark.skipif(connection.vendor == "postgresql", reason="there it is raised")
def test_a_transaction_that_failed_earlier_is_not_taken_for_missing_tables(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        assert address() == ""

    (said,) = warnings(caplog)
    assert "An earlier query of the same transaction failed" in said
    assert "migrate" not in said


@pytest.fixture
def no_tables(transactional_db: Any) -> Iterator[None]:
    """A checkout that was not migrated."""
    models = (ApiGatewayAdditionalRoute, ApiGateway)
    with connection.constraint_checks_disabled():
        for model in models:
            rename(model._meta.db_table, f"{model._meta.db_table}_away")
        yield
        for model in models:
            rename(f"{model._meta.db_table}_away", model._meta.db_table)


def rename(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_without_tables_pages_are_shown(no_tables: None, caplog: pytest.LogCaptureFixture) -> None:
    assert [address(), render("websocket_url")] == ["", ""]
    assert ChatPage().get_context_data()["api_gateway_route"] is None

    first, second = warnings(caplog)
    assert "websocket_gateway_apigateway cannot be read" in first
    assert "migrate" in second


@pytest.mark.skipif(connection.vendor != "postgresql", reason="elsewhere the transaction goes on")
def test_what_a_page_wrote_is_not_lost_without_a_word(no_tables: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        render()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs a server that does not answer")
def test_a_database_that_does_not_answer_costs_no_page(
    transactional_db: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection.close()
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")

    assert address() == ""
    assert len(warnings(caplog)) == 1
