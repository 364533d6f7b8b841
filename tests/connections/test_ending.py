"""An end is marked in one place and announced in one way, whatever finds it."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from tests.admin.clients import act, client_with
from tests.factories import WebSocketSessionFactory
from tests.purging.purges import ago
from tests.sending.broadcasts import connect
from tests.support.commands import run
from tests.threads import run_together
from websocket_gateway.connections import revoke
from websocket_gateway.connections.ending import end_gone
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.purging import purge
from websocket_gateway.sending.broadcasting import broadcast
from websocket_gateway.signals import connection_gone, disconnected
from websocket_gateway.testing import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGE = Path(__file__).resolve().parents[2] / "websocket_gateway"


@pytest.fixture
def told() -> Iterator[list[tuple[str, ...]]]:
    """What receivers were told, in order: the signal, the connection, the reason."""
    calls: list[tuple[str, ...]] = []

    def one(session: WebSocketSession, reason: str, **kwargs: Any) -> None:
        assert WebSocketSession.objects.filter(pk=session.pk, connected=False).exists()
        assert not connection.in_atomic_block
        calls.append(("disconnected", session.connection_id, reason))

    def batch(connection_ids: tuple[str, ...], **kwargs: Any) -> None:
        calls.extend(("connection_gone", connection_id) for connection_id in connection_ids)

    disconnected.connect(one)
    connection_gone.connect(batch)
    yield calls
    disconnected.disconnect(one)
    connection_gone.disconnect(batch)


def send_to_it(session: WebSocketSession) -> None:
    assert broadcast({}, channel="lobby").gone == 1


def verify_in_the_admin(session: WebSocketSession) -> None:
    act(client_with(superuser=True), "verify", session)


def verify_by_purging(session: WebSocketSession) -> None:
    assert purge(verify=True).counts["sessions_ended_gone"] == 1


def purge_when_overdue(session: WebSocketSession) -> None:
    WebSocketSession.objects.update(created_on=ago(hours=3))
    assert purge().counts["sessions_ended_overdue"] == 1


def delete_the_gateway_and_keep_its_record(session: WebSocketSession) -> None:
    assert run("delete_gateway", session.api_gateway.api_name, "--keep-record", "--no-input").status == 0


def delete_the_gateway(session: WebSocketSession) -> None:
    assert run("delete_gateway", session.api_gateway.api_name, "--no-input").status == 0


@pytest.mark.parametrize(
    "find",
    [
        send_to_it,
        verify_in_the_admin,
        verify_by_purging,
        purge_when_overdue,
        delete_the_gateway_and_keep_its_record,
        delete_the_gateway,
    ],
)
def test_a_socket_that_is_found_closed_is_announced_in_one_way(
    aws: Any, chat: ApiGateway, told: list[tuple[str, ...]], find: Callable[[WebSocketSession], None]
) -> None:
    # The local gateway holds no such socket.
    (session,) = connect(chat, "gone=")

    find(session)

    assert told == [("disconnected", "gone=", "gone"), ("connection_gone", "gone=")]


def test_what_a_transaction_ends_is_announced_after_its_commit_and_not_after_a_rollback(
    told: list[tuple[str, ...]], fake_connections: FakeConnections
) -> None:
    kept, revoked, found = WebSocketSessionFactory.create_batch(3)

    with transaction.atomic():
        revoke(WebSocketSession.objects.filter(pk=kept.pk))
        end_gone({found.pk: found.connection_id})
        transaction.set_rollback(True)
    assert told == []
    with transaction.atomic():
        revoke(WebSocketSession.objects.filter(pk=revoked.pk))
        end_gone({found.pk: found.connection_id})

    assert told == [
        ("disconnected", revoked.connection_id, "revoked"),
        ("disconnected", found.connection_id, "gone"),
        ("connection_gone", found.connection_id),
    ]
    assert fake_connections.closed == [revoked.connection_id]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the file, not rows")
@pytest.mark.parametrize("heard_of", [False, True], ids=["unheard", "heard"])
def test_rows_are_locked_in_the_order_of_their_keys(heard_of: bool, request: pytest.FixtureRequest) -> None:
    """Another transaction holds the second of three rows: the first is locked by then, the third is not."""
    if heard_of:
        request.getfixturevalue("told")
    sessions = WebSocketSessionFactory.create_batch(3)
    keys = [session.pk for session in sessions]
    for key in reversed(keys):  # the newest version of the first row is stored last
        WebSocketSession.objects.filter(pk=key).update(channel_name="elsewhere")
    held, looked = threading.Event(), threading.Event()
    free: list[int] = []

    def hold_the_second() -> None:
        with transaction.atomic():
            list(WebSocketSession.objects.select_for_update().filter(pk=keys[1]))
            held.set()
            assert looked.wait(timeout=60)

    def mark() -> None:
        assert held.wait(timeout=60)
        assert end_gone({session.pk: session.connection_id for session in sessions}) == 3

    def look() -> None:
        assert held.wait(timeout=60)
        deadline = time.monotonic() + 20
        while keys[0] in (free[:] or keys) and time.monotonic() < deadline:
            with transaction.atomic():
                free[:] = [
                    key
                    for key in keys
                    if WebSocketSession.objects.select_for_update(skip_locked=True).filter(pk=key).exists()
                ] or [0]
            time.sleep(0.05)
        looked.set()

    run_together(hold_the_second, mark, look)

    assert free == [keys[2]]


def sets_connected_to_false(node: ast.AST) -> bool:
    """`connected=False` of anything that writes, `"connected": False`, `x.connected = False`."""

    def is_false(value: ast.AST | None) -> bool:
        return isinstance(value, ast.Constant) and value.value is False

    if isinstance(node, ast.Dict):
        return any(
            isinstance(key, ast.Constant) and key.value == "connected" and is_false(value)
            for key, value in zip(node.keys, node.values, strict=True)
        )
    if isinstance(node, ast.Assign):
        named = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
        return "connected" in named and is_false(node.value)
    if isinstance(node, ast.Call):
        asked = isinstance(node.func, ast.Attribute) and node.func.attr in ("filter", "exclude", "get", "Q")
        asked = asked or any(keyword.arg == "updated_on__gt" for keyword in node.keywords)
        return not asked and any(
            keyword.arg == "connected" and is_false(keyword.value) for keyword in node.keywords
        )
    return False


def closes_a_socket(node: ast.AST) -> bool:
    """A call of an adapter's `delete`, or of boto3's `delete_connection`, whatever it is called there."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    return node.func.attr == "delete_connection" or (node.func.attr == "delete" and len(node.args) == 2)


def places(found: Callable[[ast.AST], bool]) -> list[str]:
    return [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if path.parts[len(PACKAGE.parts)] not in ("local", "migrations") and found(node)
    ]


def test_one_statement_marks_a_connection_as_ended() -> None:
    assert places(sets_connected_to_false) == ["connections/ending.py"]


def test_one_place_has_aws_close_a_socket() -> None:
    # The adapter itself is the only one that asks boto3.
    assert places(closes_a_socket) == ["aws/connections.py", "connections/closing.py"]


def test_one_module_sends_the_signals_of_an_end() -> None:
    def sends(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and "send" in ast.unparse(node.func)
            and any(
                name in ast.unparse(argument).split(".")
                for argument in [node.func, *node.args]
                for name in ("disconnected", "connection_gone")
            )
        )

    assert set(places(sends)) == {"connections/ending.py"}
