"""The tenant of a caller goes with what other threads, commits and workers do for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from django.db import connections, router, transaction

from tests.support.tenanted.base import PUBLIC, Tenant
from websocket_gateway import leases, task_queue
from websocket_gateway.aws.engines import boto3_threads
from websocket_gateway.concurrency import run_after_commit
from websocket_gateway.diagnostics.threads import run_calls
from websocket_gateway.leases import GatewayLease
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.no_fork import ThreadPool
from websocket_gateway.sending import broadcasting
from websocket_gateway.sending.reports import DeliveryReport
from websocket_gateway.tenants import current_schema, for_another_thread, in_schema, with_current_tenant

pytestmark = pytest.mark.django_db(transaction=True)
ACME = Tenant("acme")
LANGUAGE: ContextVar[str] = ContextVar("LANGUAGE", default="none")


class ToTenanted:
    """Everything is in the database that has tenants."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "tenanted"

    db_for_write = db_for_read


@pytest.fixture(autouse=True)
def acme(tmp_path: Any, settings: Any) -> Iterator[None]:
    """This thread works for a tenant, and has a context variable."""
    connections.databases["tenanted"] = {
        **connections.databases["default"],
        "ENGINE": "tests.support.tenanted",
        "NAME": str(tmp_path / "tenanted.sqlite3"),
        "OPTIONS": {},
    }
    connections["tenanted"].connect()
    settings.DATABASE_ROUTERS = [ToTenanted()]
    go_to(ACME)
    token = LANGUAGE.set("fr")
    yield
    LANGUAGE.reset(token)
    settings.DATABASE_ROUTERS = []
    connections["tenanted"].close()
    del connections["tenanted"]
    del connections.databases["tenanted"]


def go_to(tenant: Tenant) -> None:
    connection: Any = connections["tenanted"]
    connection.set_tenant(tenant)


def here(*args: object) -> tuple[str, str]:
    return current_schema("tenanted"), LANGUAGE.get()


def in_thread(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_a_thread_knows_nothing_of_its_own() -> None:
    assert in_thread(here) == ("public", "none")


def test_a_thread_works_for_the_caller_and_forgets_it() -> None:
    with ThreadPoolExecutor(1) as pool:
        work = for_another_thread(here)
        assert pool.submit(work).result() == ("acme", "fr")
        assert pool.submit(here).result() == ("public", "none")


def test_the_connections_of_the_thread_are_closed_although_it_fails() -> None:
    def fail() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
        raise LookupError

    def is_open() -> bool:
        return connections["default"].connection is not None

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(LookupError):
            pool.submit(for_another_thread(fail)).result()
        assert pool.submit(here).result() == ("public", "none")
        assert not pool.submit(is_open).result()


def test_a_function_runs_with_the_tenant_it_was_given_by_and_puts_it_back() -> None:
    work = with_current_tenant(here)
    go_to(PUBLIC)

    assert work()[0] == "acme"
    assert here()[0] == "public"


def test_whether_the_public_schema_is_read_goes_along() -> None:
    connection: Any = connections["tenanted"]
    connection.set_tenant(ACME, include_public=False)
    work = with_current_tenant(lambda: connection.include_public_schema)
    connection.set_tenant(ACME)

    assert work() is False
    assert connection.include_public_schema is True


def test_without_tenants_nothing_is_wrapped(settings: Any) -> None:
    connection: Any = connections["tenanted"]
    connection.tenant = None

    assert with_current_tenant(here) is here


def test_a_schema_is_set_for_a_block() -> None:
    with in_schema("tenanted", "globex"):
        assert here()[0] == "globex"
    assert connections["tenanted"].tenant is ACME  # type: ignore[attr-defined]
    with in_schema("tenanted", ""):
        assert here()[0] == "acme"
    with in_schema("default", "globex"):
        assert here()[0] == "acme"


@pytest.mark.parametrize("size", [1, 3])
def test_our_pools_work_for_the_caller(size: int) -> None:
    with ThreadPool(size, "test") as pool:
        assert pool.submit(here).result() == ("acme", "fr")
        assert list(pool.map(here, range(5))) == [("acme", "fr")] * 5


def test_the_threads_of_boto3_work_for_the_caller() -> None:
    seen: list[tuple[str, str]] = []
    pool: boto3_threads.ThreadPool[int] = boto3_threads.ThreadPool(lambda job: seen.append(here()), most=2)
    for number in range(4):
        pool.put(number)
    for _ in range(4):
        pool.take(5)
    pool.stop(None)

    assert seen == [("acme", "fr")] * 4


def test_probes_work_for_the_caller() -> None:
    assert run_calls({"one": here, "two": here}, deadline=time.monotonic() + 10) == {
        "one": ("acme", "fr"),
        "two": ("acme", "fr"),
    }


def test_a_lease_is_renewed_in_the_schema_of_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.01)
    seen: list[tuple[str, str]] = []
    renewed = threading.Event()

    class Lease(GatewayLease):
        def hold(self, **values: object) -> bool:
            seen.append(here())
            renewed.set()
            return True

    with Lease(ApiGateway(pk=1)).renewed():
        assert renewed.wait(5)

    assert set(seen) == {("acme", "fr")}


def test_asynchronous_sending_reads_the_tenant_of_its_caller() -> None:
    def sending() -> DeliveryReport:
        return DeliveryReport(engine="/".join(here()))

    async def view() -> DeliveryReport:
        LANGUAGE.set("de")
        return await broadcasting._in_thread(sending)

    found = asyncio.run(in_the_loop(view))

    assert found.engine == "globex/de"


async def in_the_loop(view: Callable[[], Any]) -> Any:
    """As in an async view: the tenant was set in the thread in which Django does its database work."""
    from asgiref.sync import sync_to_async

    await sync_to_async(go_to)(Tenant("globex"))
    found = await view()
    await sync_to_async(connections.close_all)()
    return found


def test_after_a_commit_the_tenant_is_that_of_the_call() -> None:
    seen: list[tuple[str, str]] = []
    with transaction.atomic(using="tenanted"):
        assert run_after_commit(lambda: seen.append(here()), model=WebSocketSession)
        go_to(PUBLIC)

    assert seen == [("acme", "fr")]


def test_a_task_is_enqueued_with_the_schema_and_runs_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    class Task:
        def using(self, **options: Any) -> Task:
            return self

        def enqueue(self, *args: Any, **kwargs: Any) -> None:
            given.append((args, kwargs, here()[0]))

    monkeypatch.setattr(task_queue, "require_background_backend", lambda: "default")
    monkeypatch.setattr(task_queue, "import_string", lambda path: Task())
    with transaction.atomic(using="tenanted"):
        task_queue.enqueue("some.task", 7)
        go_to(PUBLIC)

    assert given == [((7,), {"schema": "acme"}, "acme")]


def test_a_task_runs_in_the_schema_it_was_given() -> None:
    seen: list[Any] = []
    go_to(PUBLIC)

    work = task_queue.define(lambda number: seen.append((number, here()[0])))
    work(7, schema="acme")
    work(8)

    assert seen == [(7, "acme"), (8, "public")]
    assert here()[0] == "public"
    assert router.db_for_write(ApiGateway) == "tenanted"
