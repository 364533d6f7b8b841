"""Two tenants with the same ids in every table, in one process: nothing of one reaches the other."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import ManagementUtility
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django_tenants.utils import schema_context

from tests.factories import ApiGatewayFactory
from tests.strange_project.people.backends import DIRECTORY, Entry
from tests.strange_project.tenants.models import Company, Domain
from tests.views.stack import Stack
from websocket_gateway import leases, task_queue
from websocket_gateway.connections import disconnect, revoke
from websocket_gateway.diagnostics import diagnose
from websocket_gateway.leases import leased
from websocket_gateway.models import ApiGateway, BroadcastRun, WebSocketSession, WebSocketToken
from websocket_gateway.purging import purge
from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.sending import (
    SendOptions,
    abroadcast,
    broadcast,
    publishing,
    runs,
    work_until_finished,
)
from websocket_gateway.testing import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)
database: Any = connection
ADA: Any = uuid.UUID(int=7)
"""The same user's key in both schemas."""
NAMES = ("acme", "globex")


@dataclass
class Tenant:
    """One company, its user's browser and its connection."""

    name: str
    browser: Client = field(init=False, repr=False)
    opened: Stack = field(init=False, repr=False)

    @property
    def host(self) -> dict[str, Any]:
        return {"HTTP_HOST": f"{self.name}.example.com", "secure": True}

    def populate(self) -> None:
        with schema_context(self.name):
            get_user_model()._default_manager.create(pk=ADA, email="ada@example.com", is_staff=True)
            self.gateway = ApiGatewayFactory.create(
                pk=5, api_name="desk", api_id=f"api{self.name}", api_endpoint=f"wss://{self.name}.example.com"
            )
        self.browser = Client(raise_request_exception=False, **self.host)
        with schema_context(self.name):
            assert self.browser.login(email="ada@example.com", password="engine")
        database.set_schema_to_public()

    def token(self) -> str:
        response = self.browser.post("/en/token/", **self.host)
        database.set_schema_to_public()
        assert response.status_code == 200, response.content
        return str(response.json()["token"])

    def socket(self, gateway: ApiGateway | None = None, **options: Any) -> Stack:
        """A connection to this tenant's host, from the gateway of that tenant or of another one."""
        client = Client(raise_request_exception=False, **self.host)
        return Host(gateway or self.gateway, base="/en/ws/", client=client, host=self.host, **options)

    def connect(self) -> None:
        self.opened = self.socket(connection_id=f"{self.name}-connection=")
        assert self.opened.connect(token=self.token(), channel="desk").status_code == 200


class Host(Stack):
    """A stack on the host of a tenant; afterwards the process stands where it was, in no tenant."""

    def __init__(self, gateway: ApiGateway, *, host: dict[str, Any], **options: Any) -> None:
        self._host = host
        super().__init__(gateway, **options)

    def _post(self, path: str, body: bytes, headers: dict[str, str], *, cookies: bool = True) -> Any:
        headers = {**headers, "Host": self._host["HTTP_HOST"]}
        try:
            return self.client.post(
                self.base + path, body, content_type="application/json", headers=headers, secure=True
            )
        finally:
            database.set_schema_to_public()


@pytest.fixture(scope="session")
def schemas(django_db_setup: None, django_db_blocker: Any) -> list[Company]:
    """The tables of both, made once; the tests share them as they share the database."""
    made = [Company(pk=number, schema_name=name, name=name) for number, name in enumerate(NAMES, 1)]
    with django_db_blocker.unblock():
        for company in made:
            company.save(verbosity=0)
    return made


@pytest.fixture
def tenants(schemas: list[Company]) -> Iterator[list[Tenant]]:
    DIRECTORY["ada@example.com"] = Entry("engine", frozenset({"people.use_desk"}))
    database.set_schema_to_public()
    Company.objects.bulk_create(schemas, ignore_conflicts=True)
    for company in schemas:
        Domain.objects.create(domain=f"{company.schema_name}.example.com", tenant=company, is_primary=True)
    made = [Tenant(name) for name in NAMES]
    for tenant in made:
        tenant.populate()
    yield made
    DIRECTORY.clear()
    for name in NAMES:
        with schema_context(name), database.cursor() as cursor:
            ours = [
                model
                for model in apps.get_models()
                if model.__module__.startswith(("tests.strange_project.people", "websocket_gateway"))
            ]
            tables = ", ".join(f'"{name}"."{model._meta.db_table}"' for model in ours)
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    database.set_schema_to_public()


@pytest.fixture
def both(tenants: list[Tenant], fake_connections: FakeConnections) -> list[Tenant]:
    """Both with one open connection each, under the same primary key."""
    for tenant in tenants:
        tenant.connect()
    keys = {row_of(tenant).pk for tenant in tenants}
    assert len(keys) == 1
    return tenants


def row_of(tenant: Tenant) -> WebSocketSession:
    with schema_context(tenant.name):
        found: WebSocketSession = WebSocketSession.objects.select_related("api_gateway").get()
        return found


def test_a_token_of_one_opens_nothing_at_the_other(tenants: list[Tenant]) -> None:
    acme, globex = tenants
    token = acme.token()

    assert globex.socket().connect(token=token).status_code == 403
    assert acme.socket().connect(token=token).status_code == 200


def test_events_of_the_others_gateway_are_refused_also_from_the_cache(both: list[Tenant]) -> None:
    acme, globex = both
    for _ in range(2):
        assert globex.socket(acme.gateway).connect(token=globex.token()).status_code == 403
        assert acme.opened.send({"handler": "echo"}).status_code == 200
        assert globex.opened.send({"handler": "echo"}).status_code == 200
        forget_gateways()


def test_a_message_of_a_connection_of_the_other_is_refused(both: list[Tenant]) -> None:
    acme, globex = both
    strange = globex.socket(connection_id=acme.opened.connection_id)

    assert strange.send({"handler": "echo"}).status_code >= 400 or b"error" in strange.send({}).content
    assert row_of(acme).connected


def test_what_a_handler_sends_reaches_its_own_connection(
    both: list[Tenant], fake_connections: FakeConnections
) -> None:
    for tenant in both:
        answer = tenant.opened.send({"handler": "echo", "text": tenant.name}).json()
        assert answer["sent"] == 1
    for tenant in both:
        assert fake_connections.messages_to(tenant.opened.connection_id) == [{"echo": tenant.name}]


AUDIENCES: list[dict[str, Any]] = [{"everyone": True}, {"channel": "desk"}, {"user": ADA}]


@pytest.mark.parametrize("engine", ["boto3", "auto"])
@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_broadcast_stays_with_its_tenant(
    both: list[Tenant], fake_connections: FakeConnections, audience: dict[str, Any], engine: str
) -> None:
    for tenant in both:
        with schema_context(tenant.name):
            report = broadcast(
                {"to": tenant.name}, **as_arguments(audience), options=SendOptions(engine=engine)
            )
            assert (report.recipients, report.delivered) == (1, 1)
    check_own(both, fake_connections)


def as_arguments(audience: dict[str, Any]) -> dict[str, Any]:
    return {"user": get_user_model()._default_manager.get()} if "user" in audience else audience


def check_own(both: list[Tenant], fake_connections: FakeConnections) -> None:
    for tenant in both:
        (received,) = fake_connections.messages_to(tenant.opened.connection_id)
        assert received["to"] == tenant.name
    assert {frame.endpoint.url.partition(".")[0] for frame in fake_connections.sent} == {
        f"https://{tenant.name}" for tenant in both
    }


def test_asynchronous_broadcasts_at_once(both: list[Tenant], fake_connections: FakeConnections) -> None:
    async def view(tenant: Tenant) -> int:
        await sync_to_async(lambda: database.set_schema(tenant.name))()
        sending = asyncio.ensure_future(abroadcast({"to": tenant.name}, everyone=True))
        return (await sending).delivered

    async def main() -> list[int]:
        found = [await view(tenant) for tenant in both]
        await sync_to_async(lambda: database.close())()
        return found

    assert asyncio.run(main()) == [1, 1]
    check_own(both, fake_connections)


def test_after_the_commit_it_is_still_the_same_tenant(
    both: list[Tenant], fake_connections: FakeConnections
) -> None:
    with transaction.atomic():
        for tenant in both:
            with schema_context(tenant.name):
                broadcast({"to": tenant.name}, everyone=True, on_commit=True)

    check_own(both, fake_connections)


def test_revoke_in_a_transaction_closes_the_right_socket(
    both: list[Tenant], fake_connections: FakeConnections
) -> None:
    acme, globex = both
    with transaction.atomic():
        with schema_context(acme.name):
            assert revoke(WebSocketSession.objects.filter(user_id=ADA)) == 1
        assert fake_connections.closed == []

    assert fake_connections.closed == [acme.opened.connection_id]
    assert [row_of(tenant).connected for tenant in both] == [False, True]


def test_logout_ends_the_socket_of_its_tenant_alone(
    both: list[Tenant], fake_connections: FakeConnections
) -> None:
    acme, globex = both
    assert acme.browser.post("/en/logout/", **acme.host).status_code == 302
    database.set_schema_to_public()

    assert fake_connections.closed == [acme.opened.connection_id]
    assert row_of(globex).connected


def test_disconnecting_sockets_of_several_endpoints(
    both: list[Tenant], fake_connections: FakeConnections
) -> None:
    acme, globex = both
    with schema_context(acme.name):
        other = ApiGatewayFactory.create(pk=6, api_name="other", api_endpoint="wss://other.example.com")
        WebSocketSession.objects.create(
            connection_id="second=", api_gateway=other, user_id=ADA, channel_name="desk"
        )
        done = disconnect(WebSocketSession.objects.all())

    assert done.closed == 2
    assert row_of(globex).connected


def test_purging_one_leaves_the_other(both: list[Tenant]) -> None:
    acme, globex = both
    long_ago = timezone.now() - timedelta(hours=5)
    for tenant in both:
        with schema_context(tenant.name):
            WebSocketSession.objects.update(created_on=long_ago)
            WebSocketToken.objects.update(expires_on=long_ago, created_on=long_ago)
    with schema_context(acme.name):
        purge(verify=True)
        assert not WebSocketToken.objects.exists()

    assert [row_of(tenant).connected for tenant in both] == [False, True]
    with schema_context(globex.name):
        assert WebSocketToken.objects.exists()
    manage("all_tenants_command", "--no-public", "purge_connections")
    assert not row_of(globex).connected


def test_a_lease_is_renewed_in_its_schema(tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    acme, globex = tenants
    with schema_context(acme.name):
        gateway = ApiGateway.objects.get(pk=5)
        with leased(gateway, on_wait=print):
            before = ApiGateway.objects.get(pk=5).lease_expires_on
            deadline = time.monotonic() + 5
            while ApiGateway.objects.get(pk=5).lease_expires_on == before:
                assert time.monotonic() < deadline, "it is not renewed"
                time.sleep(0.02)
            with schema_context(globex.name):
                held = ApiGateway.objects.get(pk=5)

    assert (held.lease_holder, held.lease_expires_on) == ("", None)


def test_saved_broadcasts_and_their_tasks(
    both: list[Tenant], fake_connections: FakeConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueued = queue(monkeypatch)
    for tenant in both:
        with schema_context(tenant.name):
            run = broadcast({"to": tenant.name}, everyone=True, enqueue=True).run
    assert [kwargs for _args, kwargs in enqueued] == [{"schema": name} for name in NAMES]
    assert fake_connections.sent == []

    from websocket_gateway.sending.tasks import work_on_broadcast

    work = getattr(work_on_broadcast, "func", work_on_broadcast)
    for args, kwargs in reversed(enqueued):
        work(*args, **kwargs)

    assert database.schema_name == "public"
    assert enqueued[0][0] == (run,)
    check_own(both, fake_connections)


def queue(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    enqueued: list[tuple[Any, Any]] = []

    class Task:
        def using(self, **options: Any) -> Task:
            return self

        def enqueue(self, *args: Any, **kwargs: Any) -> None:
            enqueued.append((args, kwargs))

    monkeypatch.setattr(task_queue, "require_background_backend", lambda: "default")
    for module in (runs, publishing):
        monkeypatch.setattr(module, "require_background_backend", lambda: "default")
    monkeypatch.setattr(task_queue, "import_string", lambda path: Task())
    return enqueued


def test_a_worker_takes_the_shards_of_its_schema(
    both: list[Tenant], fake_connections: FakeConnections
) -> None:
    for tenant in both:
        with schema_context(tenant.name):
            run = runs.create_run(b'{"to": "%s"}' % tenant.name.encode())
            assert work_until_finished(run.pk).report.delivered == 1
            assert BroadcastRun.objects.count() == 1
    check_own(both, fake_connections)


def test_commands_for_one_tenant_and_for_all(both: list[Tenant], fake_connections: FakeConnections) -> None:
    for tenant in both:
        message = json.dumps({"to": tenant.name})
        manage("tenant_command", "broadcast", "--all", f"--message={message}", "--schema", tenant.name)
    check_own(both, fake_connections)

    manage("all_tenants_command", "--no-public", "broadcast", "--all", '--message="all"')
    for tenant in both:
        assert fake_connections.messages_to(tenant.opened.connection_id)[1:] == ["all"]


def manage(*words: str) -> None:
    """As from the command line: django-tenants calls commands otherwise in `call_command`."""
    ManagementUtility(["manage.py", *words]).execute()


def test_pages_have_the_address_of_their_tenant(tenants: list[Tenant]) -> None:
    for tenant in tenants:
        page = tenant.browser.get("/en/", **tenant.host).content.decode()
        assert f"wss://{tenant.name}.example.com/production" in page
    database.set_schema_to_public()


def test_probes_look_at_the_gateways_of_the_tenant(tenants: list[Tenant]) -> None:
    with schema_context("acme"):
        ApiGateway.objects.update(target_base_endpoint="https://elsewhere.example.org/ws/")
        of_acme = [str(found) for found in diagnose().findings]
    with schema_context("globex"):
        of_globex = [str(found) for found in diagnose().findings]

    assert len(of_acme) > len(of_globex)
    assert not [found for found in of_globex if "unexpectedly" in found]
