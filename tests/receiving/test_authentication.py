"""Origins compared whole, addresses counted as clients, gateways cached for seconds."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from tests.factories import ApiGatewayFactory
from tests.threads import run_together
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.authentication import (
    client_key,
    find_gateway,
    is_allowed_origin,
    parse_origin,
)
from websocket_gateway.receiving.gateways import forget_gateways


@pytest.fixture(autouse=True)
def bare_settings(settings: Any) -> None:
    settings.ALLOWED_HOSTS = []
    settings.CSRF_TRUSTED_ORIGINS = []
    settings.DEBUG = False


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        pytest.param("https://www.example.com", "https://www.example.com", True, id="same"),
        pytest.param("https://www.example.com", "https://WWW.Example.COM", True, id="host in other case"),
        pytest.param("https://www.example.com:443", "https://www.example.com", True, id="default port"),
        pytest.param("https://www.example.com", "https://www.example.com:443", True, id="port spelt out"),
        pytest.param("https://www.example.com", "http://www.example.com", False, id="other scheme"),
        pytest.param("https://www.example.com", "https://www.example.com:8443", False, id="other port"),
        pytest.param("https://www.example.com", "https://example.com", False, id="parent"),
        pytest.param("https://example.com", "https://www.example.com", False, id="sub-domain"),
        pytest.param("https://example.com", "https://example.com.evil.org", False, id="suffix added"),
        pytest.param("https://example.com", "https://evilexample.com", False, id="prefix added"),
        pytest.param("https://example.com", "https://example.com@evil.org", False, id="user info"),
        pytest.param("https://example.com", "https://evil.org/https://example.com", False, id="path"),
        pytest.param("https://example.com", "https://evil.org?https://example.com", False, id="query"),
        pytest.param("https://example.com", "https://evil.org#https://example.com", False, id="fragment"),
        pytest.param("https://example.com", "https://example.com/", False, id="trailing slash"),
        pytest.param("https://example.com", "https://example.com.", False, id="trailing dot"),
        pytest.param("https://example.com", "https://example.com,https://evil.org", False, id="two origins"),
        pytest.param("https://example.com", "https://example.com\n", False, id="newline"),
        pytest.param("https://example.com", "https://example.com\\@evil.org", False, id="backslash"),
        pytest.param("https://example.com", "https://example.com:99999", False, id="impossible port"),
        pytest.param("https://example.com", "https://exampl\u00e9.com", False, id="not ASCII"),
        pytest.param("https://example.com", "https://[::1", False, id="broken IPv6"),
        pytest.param("https://example.com", "null", False, id="null"),
        pytest.param("https://example.com", "", False, id="empty"),
        pytest.param("https://example.com", "https://", False, id="no host"),
        pytest.param("null", "null", False, id="null is never allowed"),
        pytest.param("*", "https://example.com", False, id="a star implies nothing"),
        pytest.param("https://*", "https://example.com", False, id="nor does a star as host"),
        pytest.param("https://*.example.com", "https://a.example.com", True, id="wildcard"),
        pytest.param("https://*.example.com", "https://a.b.example.com", True, id="wildcard, two levels"),
        pytest.param("https://*.example.com", "https://example.com", True, id="wildcard, as Django has it"),
        pytest.param("https://*.example.com", "https://evilexample.com", False, id="wildcard is no suffix"),
        pytest.param("https://*.example.com", "http://a.example.com", False, id="wildcard keeps the scheme"),
        pytest.param("https://*.example.com", "https://*.example.com", False, id="wildcard as an origin"),
        pytest.param("https://*.example.com", "https://.example.com", False, id="dot as an origin"),
        pytest.param(
            "https://*.example.com:8443", "https://a.example.com:8443", True, id="wildcard with port"
        ),
        pytest.param("https://*.example.com:8443", "https://a.example.com", False, id="wildcard, other port"),
        pytest.param("http://[::1]:8000", "http://[::1]:8000", True, id="IPv6"),
    ],
)
def test_origin_is_compared_whole(settings: Any, allowed: str, origin: str, expected: bool) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [allowed]}

    assert is_allowed_origin(origin) is expected


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        pytest.param("www.example.com", "https://www.example.com", True, id="exact"),
        pytest.param("WWW.example.com", "https://www.example.com", True, id="exact in other case"),
        pytest.param("www.example.com", "http://www.example.com", False, id="https only"),
        pytest.param("www.example.com", "https://www.example.com:8443", False, id="default port only"),
        pytest.param(".example.com", "https://example.com", True, id="dotted, itself"),
        pytest.param(".example.com", "https://a.b.example.com", True, id="dotted, sub-domain"),
        pytest.param(".example.com", "https://badexample.com", False, id="dotted is no suffix"),
        pytest.param("*", "https://example.com", False, id="star implies nothing"),
        pytest.param("[::1]", "https://[::1]", True, id="IPv6"),
        pytest.param("192.0.2.1", "https://192.0.2.1", True, id="IPv4"),
    ],
)
def test_every_form_of_allowed_hosts_counts_by_https(
    settings: Any, host: str, origin: str, expected: bool
) -> None:
    settings.ALLOWED_HOSTS = [host]

    assert is_allowed_origin(origin) is expected


def test_trusted_csrf_origins_count(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com", "http://intra:8000"]

    assert is_allowed_origin("https://www.example.com")
    assert is_allowed_origin("http://intra:8000")
    assert not is_allowed_origin("http://intra")


def test_explicit_list_replaces_what_django_allows(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["www.example.com"]
    settings.DEBUG = True
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": []}

    assert not is_allowed_origin("https://www.example.com")
    assert not is_allowed_origin("http://localhost:8000")


@pytest.mark.parametrize("origin", ["http://localhost:8000", "http://127.0.0.1:3000", "https://localhost"])
def test_debug_allows_any_port_of_this_machine(settings: Any, origin: str) -> None:
    assert not is_allowed_origin(origin)

    settings.DEBUG = True

    assert is_allowed_origin(origin)


@pytest.mark.parametrize("origin", ["http://localhost.evil.org", "http://127.0.0.2", "http://a.localhost"])
def test_debug_allows_nothing_that_looks_like_this_machine(settings: Any, origin: str) -> None:
    settings.DEBUG = True

    assert not is_allowed_origin(origin)


def test_port_zero_is_not_the_default_port() -> None:
    assert parse_origin("https://example.com:0") == ("https", "example.com", 0)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_one_client_is_an_ipv4_address_or_an_ipv6_network(address: str, key: str) -> None:
    assert client_key(address) == key


def request_of(api_id: str) -> Any:
    return RequestFactory().post("/", headers={"X-Amzn-Apigateway-Api-Id": api_id})


@pytest.mark.django_db
def test_gateway_is_read_once_in_a_while(django_assert_num_queries: Any) -> None:
    gateway = ApiGatewayFactory.create()

    with django_assert_num_queries(1):
        found = [find_gateway(request_of(gateway.api_id)) for _ in range(5)]

    assert found == [gateway] * 5


@pytest.mark.django_db
def test_unknown_ids_do_not_read_the_table_each_time(django_assert_num_queries: Any) -> None:
    ApiGatewayFactory.create()

    with django_assert_num_queries(8):
        found = [find_gateway(request_of(f"unknown{number}")) for number in range(40)]
    with django_assert_num_queries(0):
        found += [find_gateway(request_of(f"unknown{number % 8}")) for number in range(40)]

    assert found == [None] * 80


@pytest.mark.django_db
def test_a_gateway_that_another_process_saved_just_now_is_found() -> None:
    old = ApiGatewayFactory.create()
    assert find_gateway(request_of("unknown")) is None

    # Without signals, as if another process did it.
    ApiGateway.objects.bulk_create([ApiGatewayFactory.build(api_id="brandnew")])

    assert find_gateway(request_of("brandnew")) == ApiGateway.objects.get(api_id="brandnew")
    assert find_gateway(request_of(old.api_id)) == old


@pytest.mark.django_db
def test_gateway_without_an_id_is_never_found() -> None:
    ApiGatewayFactory.create(planned=True)

    assert find_gateway(request_of("")) is None


@pytest.mark.django_db
def test_saved_and_deleted_gateways_are_forgotten_in_this_process() -> None:
    gateway = ApiGatewayFactory.create()
    find_gateway(request_of(gateway.api_id))

    gateway.api_description = "changed"
    gateway.save()
    changed = find_gateway(request_of(gateway.api_id))
    gateway.delete()

    assert changed is not None
    assert changed.api_description == "changed"
    assert find_gateway(request_of("api0")) is None


@pytest.mark.django_db
def test_change_elsewhere_is_seen_after_the_cache_seconds(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"GATEWAY_CACHE_SECONDS": 0}
    gateway = ApiGatewayFactory.create()
    find_gateway(request_of(gateway.api_id))

    ApiGateway.objects.update(api_description="changed")
    found = find_gateway(request_of(gateway.api_id))

    assert found is not None
    assert found.api_description == "changed"


@pytest.mark.django_db
def test_ids_that_differ_in_case_alone_are_two_gateways() -> None:
    lower, upper = ApiGatewayFactory.create(api_id="abc"), ApiGatewayFactory.create(api_id="ABC")
    forget_gateways()

    assert find_gateway(request_of("abc")) == lower
    assert find_gateway(request_of("ABC")) == upper


@pytest.mark.django_db(transaction=True)
def test_gateway_is_found_while_other_threads_save_one() -> None:
    gateway = ApiGatewayFactory.create()

    def find() -> set[ApiGateway | None]:
        return {find_gateway(request_of(gateway.api_id)) for _ in range(200)}

    def forget() -> set[ApiGateway | None]:
        for _ in range(200):
            forget_gateways()
        return set()

    found = run_together(find, forget, find, forget)

    assert set().union(*found) == {gateway}


@pytest.mark.django_db(transaction=True)
def test_threads_that_find_old_rows_at_once_read_them_once() -> None:
    gateway = ApiGatewayFactory.create()
    forget_gateways()
    queries: list[str] = []

    def find() -> ApiGateway | None:
        with CaptureQueriesContext(connection) as captured:
            found = find_gateway(request_of(gateway.api_id))
        queries.extend(query["sql"] for query in captured.captured_queries if "apigateway" in query["sql"])
        return found

    assert run_together(*[find] * 8) == [gateway] * 8
    assert len(queries) == 1
