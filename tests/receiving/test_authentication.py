"""Gateways found by the API id of a request, and cached for seconds."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from tests.factories import ApiGatewayFactory
from tests.threads import run_together
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.authentication import find_gateway, forget_gateways


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
