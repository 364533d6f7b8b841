"""What a process remembers of gateways, where tenants have databases or schemas of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections
from django.test import RequestFactory

from tests.factories import ApiGatewayFactory
from websocket_gateway.admin.live_figures import read_overview
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving import authentication
from websocket_gateway.receiving.authentication import current_place, find_gateway, forget_gateways

pytestmark = pytest.mark.django_db(transaction=True)

postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs schemas")
sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="one engine is enough")
TABLES = (ApiGateway._meta.db_table,)


def find(api_id: str) -> ApiGateway | None:
    return find_gateway(RequestFactory().post("/", headers={"X-Amzn-Apigateway-Api-Id": api_id}))


@contextmanager
def schema(name: str, *, attribute: str = "schema_name") -> Iterator[None]:
    """Set the connection to a tenant's schema, as the middleware of django-tenants does."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {name}, public")
    setattr(connection, attribute, name)
    try:
        yield
    finally:
        delattr(connection, attribute)
        with connection.cursor() as cursor:
            cursor.execute("SET search_path = public")


@pytest.fixture
def tenants() -> Iterator[tuple[str, str]]:
    """Two schemas with a gateway each; both have the same primary key."""
    names = ("tenant_a", "tenant_b")
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"CREATE SCHEMA {name}")
            cursor.execute(f"CREATE TABLE {name}.{TABLES[0]} (LIKE public.{TABLES[0]} INCLUDING ALL)")
    for name in names:
        with schema(name):
            row = ApiGatewayFactory.build(pk=1, api_name=name, api_id=f"api-{name}")
            ApiGateway.objects.bulk_create([row])
    forget_gateways()
    yield names
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP SCHEMA {name} CASCADE")


@postgresql
@pytest.mark.parametrize("attribute", ["schema_name", "tenant"])
def test_events_of_two_tenants_in_turn_all_find_their_gateway(
    tenants: tuple[str, str], attribute: str
) -> None:
    found = []
    for _ in range(4):
        for name in tenants:
            with schema(name, attribute=attribute):
                row = find(f"api-{name}")
                found.append(row and row.api_name)

    assert found == [*tenants] * 4


@postgresql
def test_a_tenant_never_sees_the_gateway_of_another(tenants: tuple[str, str]) -> None:
    first, second = tenants
    with schema(first):
        assert find(f"api-{first}") is not None

    with schema(second):
        assert find(f"api-{first}") is None


@postgresql
def test_each_tenant_has_an_overview_of_its_own(tenants: tuple[str, str]) -> None:
    seen = []
    for name in tenants:
        with schema(name):
            seen.append([row["name"] for row in read_overview()["gateways"]])

    assert seen == [[name] for name in tenants]


@postgresql
def test_rows_of_many_tenants_are_read_once_each(
    tenants: tuple[str, str], django_assert_num_queries: Any
) -> None:
    for name in tenants:
        with schema(name):
            find(f"api-{name}")
            with django_assert_num_queries(0):
                find(f"api-{name}")


class ByTenant:
    """A router that chooses the database by what the test says."""

    alias = "default"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return type(self).alias


@pytest.fixture
def second_database(settings: Any, tmp_path: Any) -> Iterator[str]:
    """A second database with a gateway of its own, and a router that knows both."""
    connections.databases["second"] = {
        **connections.databases["default"],
        "NAME": str(tmp_path / "second.sqlite3"),
    }
    connections["second"].connect()  # before pytest-django asks which databases the test may open
    with connections["second"].schema_editor() as editor:
        editor.create_model(ApiGateway)
    ApiGateway.objects.using("second").bulk_create([ApiGatewayFactory.build(pk=1, api_id="insecond")])
    settings.DATABASE_ROUTERS = [ByTenant()]
    yield "second"
    ByTenant.alias = "default"
    connections["second"].close()
    del connections["second"]
    del connections.databases["second"]


@sqlite
def test_the_database_is_the_one_that_the_router_names(second_database: str) -> None:
    ApiGatewayFactory.create(pk=1, api_id="indefault")

    seen = []
    for alias in ("default", second_database) * 2:
        ByTenant.alias = alias
        row = find(f"in{alias}")
        seen.append(row and row._state.db)
        assert find("insecond" if alias == "default" else "indefault") is None

    assert seen == ["default", second_database] * 2


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"schema_name": None, "tenant": None}, "", id="not set yet"),
        pytest.param({"schema_name": "acme"}, "acme", id="schema"),
        pytest.param({"tenant": type("Tenant", (), {"schema_name": "acme"})()}, "acme", id="tenant"),
        pytest.param({"tenant": type("Tenant", (), {"pk": 7})()}, "7", id="tenant without a schema"),
    ],
)
def test_the_place_is_told_by_the_connection(
    monkeypatch: pytest.MonkeyPatch, attributes: dict[str, Any], expected: str
) -> None:
    for name, value in attributes.items():
        monkeypatch.setattr(connections["default"], name, value, raising=False)

    assert current_place() == ("default", expected)


def test_memory_is_bounded_however_many_tenants_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_PLACES", 3)
    gateway = ApiGatewayFactory.create()
    forget_gateways()

    for number in range(10):
        monkeypatch.setattr(connections["default"], "schema_name", f"t{number}", raising=False)
        assert find(gateway.api_id) == gateway

    assert len(authentication.known_gateways()._places) <= 3


def test_one_tenant_too_many_makes_the_oldest_one_alone_be_read_again(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(authentication, "_PLACES", 3)
    gateway = ApiGatewayFactory.create()
    forget_gateways()

    def find_as(tenant: str) -> None:
        monkeypatch.setattr(connections["default"], "schema_name", tenant, raising=False)
        assert find(gateway.api_id) == gateway

    for tenant in ("a", "b", "c", "d"):
        find_as(tenant)

    with django_assert_num_queries(0):
        for tenant in ("b", "c", "d"):
            find_as(tenant)
    with django_assert_num_queries(1):
        find_as("a")


def test_what_a_hook_changes_on_a_gateway_holds_for_its_own_request_only(
    django_assert_num_queries: Any,
) -> None:
    gateway = ApiGatewayFactory.create(default_channel_name="lobby", tags={"team": "chat"})
    first = find(gateway.api_id)
    assert first is not None
    with django_assert_num_queries(0):
        first.default_channel_name = "changed"
        first.tags["team"] = "changed"
        second = find(gateway.api_id)

    assert second is not None
    assert (second.default_channel_name, second.tags) == ("lobby", {"team": "chat"})
