"""A database copied from production to staging: nothing that staging does reaches production's sockets.

Two installations (two values of SECRET_KEY) and one local gateway with real sockets, behind a proxy that
lists every call. The rows are production's, as a copy of its database has them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from django.contrib.auth import get_user_model, logout
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client, RequestFactory
from websockets.sync.client import ClientConnection, connect

from tests.admin.clients import act, address, client_with, text_of
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.local.backend import Backend
from tests.support.commands import Ended, run
from tests.support.proxy import KillingProxy, killing_proxy
from websocket_gateway.connections import disconnect, find_socket_url, revoke, verify
from websocket_gateway.logins import hash_session_auth, hash_session_key
from websocket_gateway.models import ApiGateway, BroadcastRun, BroadcastShard, WebSocketSession
from websocket_gateway.origin_secret import installation_fingerprint
from websocket_gateway.provisioning import plan_provisioning
from websocket_gateway.purging import purge
from websocket_gateway.sending import abroadcast, asend, broadcast, send
from websocket_gateway.sending import runs as broadcast_runs
from websocket_gateway.sending.worker import work_once
from websocket_gateway.signals import connection_gone
from websocket_gateway.testing import events
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGE = {"type": "hello"}
WHY = "belongs to another installation (another SECRET_KEY, or a copied database)"


@dataclass
class Staging:
    """Staging's view: production's row with two open sockets, and a gateway of its own with one."""

    proxy: KillingProxy
    backend: Backend
    gateway: GatewayHandle
    foreign: ApiGateway
    own: ApiGateway
    foreign_sockets: list[ClientConnection]
    own_socket: ClientConnection
    user: Any

    @property
    def rows(self) -> Any:
        """Production's sessions."""
        return WebSocketSession.objects.filter(api_gateway=self.foreign)

    @property
    def aws(self) -> Any:
        """The control plane, past the proxy."""
        return boto3.client("apigatewayv2", endpoint_url=self.gateway.endpoint_url, region_name="eu-west-1")

    def calls_to(self, gateway: ApiGateway) -> list[str]:
        """The calls to connections of that gateway."""
        return [call for call in self.proxy.calls if gateway.api_id in call and "@connections" in call]

    def assert_production_is_untouched(self) -> None:
        """No call about its connections, no frame, no closed socket."""
        assert self.calls_to(self.foreign) == []
        for socket in self.foreign_sockets:
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.05)
            socket.ping().wait(5)
        assert len(self.gateway.connections()) == 3


def install(name: str, backend: Backend) -> ApiGateway:
    ended = run("create_gateway", name, "--target", f"{backend.url}/ws/", "--default-channel", "lobby")
    assert ended.status == 0, ended
    return ApiGateway.objects.get(api_name=name)


def open_socket(gateway: ApiGateway, handle: GatewayHandle, user: Any) -> ClientConnection:
    before = {item.id for item in handle.connections()}
    socket = connect(f"{gateway.api_endpoint}/{gateway.stage_name}", proxy=None)
    handle.wait_until(lambda: len(handle.connections()) > len(before))
    (found,) = {item.id for item in handle.connections()} - before
    WebSocketSessionFactory.create(
        connection_id=found,
        api_gateway=gateway,
        channel_name="lobby",
        user=user,
        session_auth_hash=hash_session_auth(user),
        session_key_hash=hash_session_key("of-production"),
    )
    return socket


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[GatewayHandle, KillingProxy, Backend]]:
    """For the whole module, because boto3 needs long to make a client for another address."""
    backend = Backend()
    backend.start()
    with ExitStack() as stack:
        stack.callback(backend.stop)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        gateway = stack.enter_context(local_gateway())
        yield gateway, stack.enter_context(killing_proxy(gateway.port)), backend


@pytest.fixture
def staging(servers: tuple[GatewayHandle, KillingProxy, Backend], settings: Any) -> Iterator[Staging]:
    gateway, proxy, backend = servers
    settings.AWS_GATEWAY_REGION_NAME = "eu-west-1"
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": proxy.url}
    with ExitStack() as stack:
        stack.callback(gateway.gateway.store.apis.clear)
        user = UserFactory.create()
        settings.SECRET_KEY = "the key of production"
        foreign = install("chat", backend)
        sockets = [stack.enter_context(open_socket(foreign, gateway, user)) for _ in range(2)]
        settings.SECRET_KEY = "the key of staging"
        own = install("chat-staging", backend)
        own_socket = stack.enter_context(open_socket(own, gateway, UserFactory.create()))
        # What staging could check of a copied session: the hash under its own key.
        WebSocketSession.objects.filter(user=user).update(session_auth_hash=hash_session_auth(user))
        proxy.calls.clear()
        yield Staging(proxy, backend, gateway, foreign, own, sockets, own_socket, user)
    gateway.wait_until(lambda: not gateway.connections())


def assert_refused(report: Any, *, delivered: int) -> None:
    assert (report.delivered, report.gone, report.failed) == (delivered, 0, 2)
    ((reason, count),) = report.reasons.items()
    assert WHY in reason
    assert "`manage.py delete_gateway chat --forget`" in reason
    assert count == 2


SENDING: dict[str, Callable[[Staging], Any]] = {
    "broadcast to everyone": lambda staging: broadcast(MESSAGE, everyone=True),
    "broadcast to a channel": lambda staging: broadcast(MESSAGE, channel="lobby"),
    "broadcast to ids": lambda staging: broadcast(
        MESSAGE, connection_ids=list(WebSocketSession.objects.values_list("connection_id", flat=True))
    ),
    "abroadcast": lambda staging: asyncio.run(abroadcast(MESSAGE, everyone=True)),
    "send to a query": lambda staging: send(MESSAGE, to=WebSocketSession.objects.all()),
    "send to loaded gateways": lambda staging: send(
        MESSAGE, to=WebSocketSession.objects.select_related("api_gateway")
    ),
    "asend": lambda staging: asyncio.run(asend(MESSAGE, to=WebSocketSession.objects.all())),
    "a QuerySet": lambda staging: WebSocketSession.objects.in_channel("lobby").send_message(MESSAGE),
}


@pytest.mark.parametrize("engine", ["asyncio", "boto3"])
def test_a_message_reaches_the_own_sockets_only(staging: Staging, engine: str, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "SEND_ENGINE": engine}

    for way, send_it in SENDING.items():
        assert_refused(send_it(staging), delivered=1)
        received = json.loads(staging.own_socket.recv(timeout=5))
        assert {key: received[key] for key in received if key != "_ws"} == MESSAGE, way
        assert staging.rows.filter(connected=True).count() == 2, way

    staging.assert_production_is_untouched()


def test_a_message_to_a_user_or_one_session_is_refused_too(staging: Staging) -> None:
    assert_refused(broadcast(MESSAGE, user=staging.user), delivered=0)
    report = staging.rows.first().send_message(MESSAGE)

    assert (report.delivered, report.failed) == (0, 1)
    staging.assert_production_is_untouched()


def test_the_command_says_why(staging: Staging) -> None:
    ended = run("broadcast", "lobby", json.dumps(MESSAGE))

    assert ended.status == 3
    assert WHY in ended.stdout + ended.stderr
    staging.assert_production_is_untouched()


def test_a_worker_refuses_what_was_enqueued(staging: Staging) -> None:
    run_row = broadcast_runs.create_run(json.dumps(MESSAGE).encode(), channel="lobby", user=None)

    while work_once(run_row.pk):
        pass

    shards = BroadcastShard.objects.filter(run=run_row)
    assert sum(shard.delivered for shard in shards) == 1
    assert sum(shard.failed for shard in shards) == 2
    assert any(WHY in reason for shard in shards for reason in shard.reasons)
    assert BroadcastRun.objects.get(pk=run_row.pk).state == BroadcastRun.State.FINISHED
    staging.assert_production_is_untouched()


def test_closing_says_that_the_sockets_stay_open(staging: Staging) -> None:
    gone: list[Any] = []

    def keep(connection_ids: Any, **kwargs: Any) -> None:
        gone.append(connection_ids)

    connection_gone.connect(keep)
    try:
        closing = disconnect(WebSocketSession.objects.all(), reason="admin")
    finally:
        connection_gone.disconnect(keep)

    assert (closing.closed, closing.gone) == (1, 0)
    assert set(closing.failed) == set(staging.rows.values_list("connection_id", flat=True))
    assert all(WHY in reason for reason in closing.failed.values())
    assert gone == []
    assert staging.calls_to(staging.foreign) == []
    staging.gateway.wait_until(lambda: len(staging.gateway.connections()) == 2)


def log_out(staging: Staging) -> None:
    request: Any = RequestFactory().get("/")
    request.user, request.session = staging.user, SessionStore("of-production")
    request.session._session_key = "of-production"
    logout(request)


def deactivate(staging: Staging) -> None:
    staging.user.is_active = False
    staging.user.save()


def deactivate_quietly(staging: Staging) -> None:
    get_user_model().objects.filter(pk=staging.user.pk).update(is_active=False)
    assert purge().counts["sessions_ended_revoked"] == 2


def change_password(staging: Staging) -> None:
    staging.user.set_password("another one")
    staging.user.save()


CLOSING: dict[str, Callable[[Staging], Any]] = {
    "revoke": lambda staging: revoke(staging.rows),
    "disconnect": lambda staging: disconnect(staging.rows),
    "logout": log_out,
    "deactivation": deactivate,
    "deactivation found by purge": deactivate_quietly,
    "new password": change_password,
}


def test_no_end_of_a_login_closes_a_socket_of_production(staging: Staging) -> None:
    keys = list(staging.rows.values_list("pk", flat=True))

    for way, end_it in CLOSING.items():
        end_it(staging)
        copied = WebSocketSession.objects.filter(pk__in=keys)
        assert not copied.filter(connected=True).exists(), way  # they have ended for this database
        assert staging.calls_to(staging.foreign) == [], way
        staging.user.is_active = True
        staging.user.save()
        copied.update(connected=True, user=staging.user, session_auth_hash=hash_session_auth(staging.user))

    staging.user.delete()
    assert not staging.rows.filter(connected=True).exists()
    staging.assert_production_is_untouched()


def test_verifying_asks_nothing_and_ends_nothing(staging: Staging) -> None:
    found = verify(WebSocketSession.objects.all())

    assert (found.open, found.closed, found.ended) == (1, 0, 0)
    assert [WHY in reason for reason in found.unknown] == [True]
    assert staging.rows.filter(connected=True).count() == 2
    staging.assert_production_is_untouched()


def test_a_purge_that_verifies_reports_it(staging: Staging) -> None:
    ended = run("purge_connections", "--verify")

    assert ended.status == 1
    assert f"2 sessions not verified: gateway 'chat' {WHY}" in ended.stderr
    assert staging.rows.filter(connected=True).count() == 2
    staging.assert_production_is_untouched()


def test_the_actions_of_the_admin_refuse(staging: Staging) -> None:
    client = client_with(superuser=True)
    sessions = list(staging.rows)

    for action, fields in {
        "send_message": {"step": "apply", "message": json.dumps(MESSAGE)},
        "verify": {},
        "disconnect": {"step": "apply"},
    }.items():
        assert WHY in text_of(act(client, action, *sessions, **fields)), action
        staging.rows.update(connected=True)
    assert "another installation" in text_of(act(client, "compare", staging.foreign))
    assert "another installation" in text_of(
        client.get(address("websocket_gateway_plan".removeprefix("websocket_gateway_"), staging.foreign.pk))
    )
    listed = text_of(client.get(address("apigateway_changelist")))
    assert listed.count("belongs to another installation") == 1
    staging.assert_production_is_untouched()


def test_pages_do_not_lead_to_production(staging: Staging) -> None:
    assert find_socket_url(staging.foreign) == ""
    assert find_socket_url(staging.own).startswith("ws://127.0.0.1")


@pytest.mark.urls("tests.views.urls")
def test_events_through_productions_gateway_are_refused(staging: Staging, settings: Any) -> None:
    """The origin secret is derived from SECRET_KEY, so staging does not know production's."""
    session = staging.rows.first()
    staging.rows.update(user=None, session_auth_hash="")  # whose hash depends on the key, too
    settings.SECRET_KEY = "the key of production"
    headers = events.event_headers(staging.foreign, session.connection_id, "MESSAGE", "$default")

    def status() -> int:
        body = json.dumps({"handler": "say"})
        answer = Client().post("/ws/default", body, content_type="application/json", headers=headers)
        return answer.status_code

    assert status() == 200
    settings.SECRET_KEY = "the key of staging"
    assert status() == 403


def test_the_check_finds_it_and_probes_nothing_of_production(staging: Staging) -> None:
    staging.backend.requests.clear()

    ended = run("check_ws_settings", "--live", "--gateway", "chat", "--format", "json")

    found = {item["id"]: item for item in json.loads(ended.stdout)["findings"]}
    assert ended.status == 1
    assert "delete_gateway chat --forget" in found["websocket_gateway.E119"]["hint"]
    assert "websocket_gateway.E105" in found
    assert "websocket_gateway.E107" not in found
    assert staging.backend.requests == []
    staging.assert_production_is_untouched()


def test_a_sync_and_a_deletion_leave_production_alone(staging: Staging) -> None:
    for argv in (("sync_routes", "chat", "--prune", "--no-input"), ("delete_gateway", "chat", "--no-input")):
        ended = run(*argv)
        assert ended.status == 1
        assert "belongs to another installation" in ended.stderr
    assert all(call.startswith("GET ") for call in staging.proxy.calls)
    staging.assert_production_is_untouched()


class TestForget:
    """`delete_gateway NAME --forget`."""

    def forget(self, *options: str) -> Ended:
        return run("delete_gateway", "chat", "--forget", *options)

    def test_it_removes_row_and_sessions_and_calls_nothing(self, staging: Staging) -> None:
        planned = self.forget("--dry-run", "--format", "json")
        assert ApiGateway.objects.filter(api_name="chat").exists()

        ended = self.forget("--noinput")

        report = json.loads(planned.stdout)
        assert [(step["action"], step["kind"]) for step in report["steps"]] == [("delete", "record")]
        assert report["dry_run"]
        assert ended.status == 0
        assert ended.stdout.startswith("- Deleted record chat")
        assert f"API {staging.foreign.api_id} belongs to another installation and stays" in ended.stderr
        assert [row.api_name for row in ApiGateway.objects.all()] == ["chat-staging"]
        assert WebSocketSession.objects.count() == 1
        assert staging.proxy.calls == []
        staging.assert_production_is_untouched()
        assert self.forget("--noinput").status == 0

    def test_it_asks_first(self, staging: Staging) -> None:
        ended = self.forget()

        assert ended.status == 1
        assert "Forget gateway chat? Its row, routes and sessions are deleted here." in ended.stderr
        assert f"API {staging.foreign.api_id} stays in AWS." in ended.stderr
        assert ApiGateway.objects.filter(api_name="chat").exists()

    def test_it_needs_neither_region_nor_credentials(self, settings: Any, monkeypatch: Any) -> None:
        settings.WEBSOCKET_GATEWAY = {}
        settings.AWS_GATEWAY_REGION_NAME = ""
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        ApiGatewayFactory.create(api_name="chat", region_name="", api_endpoint="", installation="else" * 4)

        assert self.forget("--no-input").status == 0
        assert not ApiGateway.objects.exists()

    def test_a_gateway_of_our_own_is_forgotten_with_a_note(self, staging: Staging) -> None:
        ended = run("delete_gateway", "chat-staging", "--forget", "--no-input")

        assert ended.status == 0
        assert f"--adopt {staging.own.api_id} adopts it again" in ended.stderr
        assert staging.proxy.calls == []

    def test_it_excludes_keeping_the_row(self) -> None:
        assert "not allowed with argument" in self.forget("--keep-record").stderr


class TestWhoseRowItIs:
    """The fingerprint in the row."""

    def test_a_fallback_is_the_same_installation(self, staging: Staging, settings: Any) -> None:
        settings.SECRET_KEY_FALLBACKS = ["the key of production"]

        assert broadcast(MESSAGE, everyone=True).delivered == 3

    def test_clusters_that_share_a_name_are_one_installation(self, staging: Staging, settings: Any) -> None:
        shared = {**settings.WEBSOCKET_GATEWAY, "INSTALLATION_NAME": "both clusters"}
        settings.WEBSOCKET_GATEWAY = shared
        assert_refused(broadcast(MESSAGE, everyone=True), delivered=1)  # production has not applied it yet
        settings.SECRET_KEY = "the key of production"
        assert run("sync_routes", "chat").status == 0
        settings.SECRET_KEY = "the key of staging"

        assert broadcast(MESSAGE, everyone=True).delivered == 3
        settings.WEBSOCKET_GATEWAY = {**shared, "INSTALLATION_NAME": "another"}
        assert broadcast(MESSAGE, everyone=True).failed == 2

    def test_an_adoption_makes_it_ours(self, staging: Staging) -> None:
        assert run("create_gateway", "chat", "--adopt", staging.foreign.api_id).status == 0

        assert broadcast(MESSAGE, everyone=True).delivered == 3

    def test_a_row_that_was_never_applied_belongs_to_nobody_yet(self, staging: Staging) -> None:
        planned = ApiGatewayFactory.create(planned=True)

        assert planned.installation == ""
        assert not planned.is_foreign
        assert staging.own.installation == installation_fingerprint()

    def test_an_api_that_is_gone_is_created_again_as_ours(self, staging: Staging) -> None:
        staging.aws.delete_api(ApiId=staging.foreign.api_id)

        assert run("create_gateway", "chat", "--recreate", "--no-input").status == 0

        assert not ApiGateway.objects.get(api_name="chat").is_foreign

    def test_aws_corrects_a_row_that_was_copied_before_it_was_marked(self, staging: Staging) -> None:
        ApiGateway.objects.update(installation=installation_fingerprint())  # as staging's migration marks it

        ended = run("sync_routes", "chat")

        assert ended.status == 1
        assert ApiGateway.objects.get(api_name="chat").is_foreign
        assert_refused(broadcast(MESSAGE, everyone=True), delivered=1)

    def test_aws_corrects_a_row_that_was_marked_with_another_key(self, staging: Staging) -> None:
        ApiGateway.objects.update(installation="0123456789abcdef")  # a migration without the right SECRET_KEY
        assert run("broadcast", "lobby", "{}").status == 1

        assert run("sync_routes", "chat-staging").status == 0

        assert not ApiGateway.objects.get(api_name="chat-staging").is_foreign

    def test_an_api_whose_tags_were_removed_is_still_production_s(self, staging: Staging) -> None:
        arn = f"arn:aws:apigateway:eu-west-1::/apis/{staging.foreign.api_id}"
        staging.aws.untag_resource(
            ResourceArn=arn, TagKeys=["websocket_gateway:uuid", "websocket_gateway:installation"]
        )
        assert plan_provisioning(staging.own).plan.steps == ()

        assert "belongs to another installation" in run("sync_routes", "chat").stderr

    def test_the_row_kept_after_a_deletion_belongs_to_nobody(self, staging: Staging) -> None:
        assert run("delete_gateway", "chat-staging", "--keep-record", "--no-input").status == 0

        assert ApiGateway.objects.get(api_name="chat-staging").installation == ""


def test_the_migration_marks_the_gateways_that_are_in_aws() -> None:
    before = "0001_initial"
    executor = MigrationExecutor(connection)
    try:
        executor.migrate([("websocket_gateway", before)])
        rows = executor.loader.project_state([("websocket_gateway", before)]).apps.get_model(
            "websocket_gateway", "ApiGateway"
        )
        rows.objects.create(api_name="applied", api_id="a1", target_base_endpoint="https://x.example.com/")
        rows.objects.create(api_name="planned", target_base_endpoint="https://x.example.com/")
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())

    marks = dict(ApiGateway.objects.values_list("api_name", "installation"))
    assert marks == {"applied": installation_fingerprint(), "planned": ""}
