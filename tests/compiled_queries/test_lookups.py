"""The query of a message is compiled once, with the result of the plain query. Else the plain query runs."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, connections, models
from django.db.models.lookups import Exact
from django.db.models.signals import post_init
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext, override_settings

from tests.factories import UserFactory, WebSocketSessionFactory
from websocket_gateway.compiled_queries.lookups import CompiledLookup
from websocket_gateway.models import WebSocketSession

pytestmark = pytest.mark.django_db
PACKAGE = Path(__file__).resolve().parent.parent.parent / "websocket_gateway"
PRIVATE = re.compile(r"get_compiler|klass_info|as_sql|get_related_populators|sql\.compiler|\.get_converters")

Compiled = list[str]


@pytest.fixture
def lookup() -> CompiledLookup[WebSocketSession]:
    """A lookup that has compiled nothing yet."""
    return CompiledLookup(WebSocketSession.objects.select_related("user"), "connection_id")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """The table of every SELECT that the ORM compiles."""
    tables: Compiled = []
    original = SQLCompiler.pre_sql_setup

    def pre_sql_setup(self: Any, *args: Any, **kwargs: Any) -> Any:
        tables.append(self.query.model._meta.db_table)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "pre_sql_setup", pre_sql_setup)
    return tables


@pytest.fixture
def warnings_of(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged about queries that are not compiled once."""
    return lambda: [
        record.getMessage()
        for record in caplog.records
        if getattr(record, "event", None) == "query_not_compiled"
    ]


def find_plainly(connection_id: str) -> WebSocketSession:
    return WebSocketSession.objects.select_related("user").get(connection_id=connection_id)


def state_of(row: models.Model) -> dict[str, Any]:
    """What a row holds, with its state and those that are joined to it."""
    held = dict(vars(row))
    state = held.pop("_state")
    return {
        **held,
        "type": type(row),
        "state": (state.db, state.adding, getattr(state, "fetch_mode", None)),
        "joined": {name: other and state_of(other) for name, other in state.fields_cache.items()},
    }


def test_row_is_that_of_the_plain_query(lookup: CompiledLookup[WebSocketSession]) -> None:
    for user in (UserFactory.create(), None):
        key = WebSocketSessionFactory.create(user=user).connection_id
        WebSocketSession.objects.filter(connection_id=key).update(disconnected_on="2026-01-02T03:04:05Z")

        found = lookup.find(key, using="default")

        assert found is not None
        assert state_of(found) == state_of(find_plainly(key))
        assert found.get_deferred_fields() == set()


def test_user_is_whole_and_costs_no_query(
    lookup: CompiledLookup[WebSocketSession], django_assert_num_queries: Any
) -> None:
    key = WebSocketSessionFactory.create(user=UserFactory.create()).connection_id

    with django_assert_num_queries(1):
        found = lookup.find(key, using="default")
        assert found is not None
        assert isinstance(found.user, User)
        assert found.user.get_deferred_fields() == set()
        assert found.user.check_password("wrong") is False

    User.objects.update(first_name="Ada")
    found.user.refresh_from_db()
    assert found.user.first_name == "Ada"
    found.channel_name = "lobby"
    found.save()
    found.refresh_from_db()
    assert found.channel_name == "lobby"


def test_unknown_value_is_none(lookup: CompiledLookup[WebSocketSession]) -> None:
    assert lookup.find("unknown", using="default") is None
    assert lookup.find("%s' OR 1=1 --", using="default") is None


def test_it_is_compiled_once(
    lookup: CompiledLookup[WebSocketSession], compiled: Compiled, warnings_of: Callable[[], list[str]]
) -> None:
    keys = [WebSocketSessionFactory.create().connection_id for _ in range(3)]
    compiled.clear()

    assert [getattr(lookup.find(key, using="default"), "connection_id", None) for key in keys] == keys

    assert len(compiled) == 1
    assert warnings_of() == []


def test_statement_is_the_one_of_the_plain_query_and_is_seen(
    lookup: CompiledLookup[WebSocketSession],
) -> None:
    key = WebSocketSessionFactory.create(user=UserFactory.create()).connection_id
    lookup.find(key, using="default")
    seen = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        seen.append((sql, tuple(params), context["connection"].alias))
        return execute(sql, params, many, context)

    with CaptureQueriesContext(connection) as captured, connection.execute_wrapper(watch):
        lookup.find(key, using="default")
        list(WebSocketSession.objects.select_related("user").filter(connection_id=key))

    assert len(captured.captured_queries) == 2
    assert captured.captured_queries[0]["sql"] == captured.captured_queries[1]["sql"]
    assert seen[0] == seen[1]
    assert seen[0][1:] == ((key,), "default")


def test_signals_of_models_are_sent(lookup: CompiledLookup[WebSocketSession]) -> None:
    key = WebSocketSessionFactory.create(user=UserFactory.create()).connection_id
    made: list[type] = []

    def note(sender: type, **kwargs: Any) -> None:
        made.append(sender)

    post_init.connect(note)
    try:
        lookup.find(key, using="default")
    finally:
        post_init.disconnect(note)

    assert made == [WebSocketSession, User]


@pytest.mark.django_db(transaction=True)
def test_threads_share_the_statement(lookup: CompiledLookup[WebSocketSession], compiled: Compiled) -> None:
    keys = [WebSocketSessionFactory.create(user=UserFactory.create()).connection_id for _ in range(4)]
    lookup.find(keys[0], using="default")
    compiled.clear()
    found: list[Any] = []

    def read() -> None:
        try:
            found.extend(lookup.find(key, using="default") for key in keys)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(row.connection_id for row in found) == sorted(keys * 4)
    assert all(row.user.username for row in found)
    assert compiled == []


def test_a_setting_that_changes_makes_it_compile_again(
    lookup: CompiledLookup[WebSocketSession], compiled: Compiled
) -> None:
    key = WebSocketSessionFactory.create().connection_id
    lookup.find(key, using="default")
    compiled.clear()

    with override_settings(USE_TZ=False):
        naive = lookup.find(key, using="default")
    aware = lookup.find(key, using="default")

    assert naive is not None
    assert aware is not None
    assert naive.created_on.tzinfo is None
    assert aware.created_on.tzinfo is not None
    assert len(compiled) == 2


def test_a_model_whose_fields_were_collected_again_makes_it_compile_again(
    lookup: CompiledLookup[WebSocketSession], compiled: Compiled
) -> None:
    key = WebSocketSessionFactory.create(user=UserFactory.create()).connection_id
    lookup.find(key, using="default")
    compiled.clear()
    User._meta._expire_cache()  # type: ignore[attr-defined]  # as `add_to_class` and a reload of apps do

    found = lookup.find(key, using="default")
    lookup.find(key, using="default")

    assert found is not None
    assert found.user is not None
    assert len(compiled) == 1


def test_a_table_that_was_renamed_is_asked_by_its_name(
    lookup: CompiledLookup[WebSocketSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = WebSocketSessionFactory.create().connection_id
    lookup.find(key, using="default")
    monkeypatch.setattr(User._meta, "db_table", "elsewhere")

    with pytest.raises(DatabaseError, match="elsewhere"):
        lookup.find(key, using="default")


def test_a_database_that_fails_is_not_asked_twice(
    lookup: CompiledLookup[WebSocketSession], compiled: Compiled, warnings_of: Callable[[], list[str]]
) -> None:
    key = WebSocketSessionFactory.create().connection_id
    lookup.find(key, using="default")
    compiled.clear()
    calls = []

    def fail(*args: Any) -> None:
        calls.append(args)
        raise OperationalError("gone away")

    with connection.execute_wrapper(fail), pytest.raises(OperationalError, match="gone away"):
        lookup.find(key, using="default")

    assert len(calls) == 1
    assert lookup.find(key, using="default") is not None
    assert compiled == []
    assert warnings_of() == []


class _Stranger:
    """Fills the objects of a row as no version of Django does."""

    def populate(self, row: Any, found: Any) -> None:
        found.connection_id = "of another row"


def _instead_of_the_orm(monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:
    """What the module finds in Django's; the plain query goes on using the real ones."""
    module = ModuleType("django.db.models.query")
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, "django.db.models.query", module)


def _missing(monkeypatch: pytest.MonkeyPatch) -> None:
    _instead_of_the_orm(monkeypatch)


def _with_another_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    _instead_of_the_orm(monkeypatch, get_related_populators=lambda everything: [])


def _with_another_method(monkeypatch: pytest.MonkeyPatch) -> None:
    _instead_of_the_orm(monkeypatch, get_related_populators=lambda *args: [object()])


def _with_another_result(monkeypatch: pytest.MonkeyPatch) -> None:
    _instead_of_the_orm(monkeypatch, get_related_populators=lambda *args: [_Stranger()])


def _with_a_compiler_of_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    class BackendCompiler(SQLCompiler):
        def results_iter(self, *args: Any, **kwargs: Any) -> Any:
            return super().results_iter(*args, **kwargs)

    monkeypatch.setattr(connection.ops, "compiler", lambda name: BackendCompiler)


def _with_a_method_that_a_library_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    original = SQLCompiler.execute_sql

    @wraps(original)
    def execute_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "execute_sql", execute_sql)


def _with_names_that_depend_on_more(monkeypatch: pytest.MonkeyPatch) -> None:
    original = type(connection.ops).quote_name
    monkeypatch.setattr(type(connection.ops), "quote_name", lambda self, name: original(self, name))


def _with_the_value_in_the_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a field does that writes its value into the statement."""
    monkeypatch.setattr(Exact, "process_rhs", lambda self, *args: (f"'{self.rhs}'", []))


DIFFERENCES = [
    (_missing, "ImportError", 1),
    (_with_another_signature, "TypeError", 1),
    (_with_another_method, "AttributeError", 2),
    (_with_another_result, "connection_id has another value", 2),
    (_with_a_compiler_of_the_backend, "results_iter is not Django's own", 1),
    (_with_a_method_that_a_library_replaced, "execute_sql is not Django's own", 1),
    (_with_names_that_depend_on_more, "quote_name is not Django's", 1),
    (_with_the_value_in_the_statement, "other parameters", 1),
]


@pytest.mark.parametrize(
    ("differ", "reason", "first"), DIFFERENCES, ids=[row[0].__name__.strip("_") for row in DIFFERENCES]
)
def test_where_the_orm_differs_the_plain_query_runs(
    lookup: CompiledLookup[WebSocketSession],
    warnings_of: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    differ: Callable[[pytest.MonkeyPatch], None],
    reason: str,
    first: int,
) -> None:
    """`first` is the number of statements of the first message: a row that cannot be used is read again."""
    key = WebSocketSessionFactory.create(user=UserFactory.create()).connection_id
    expected = state_of(find_plainly(key))
    differ(monkeypatch)

    for statements in (first, 1, 1):
        with CaptureQueriesContext(connection) as captured:
            found = lookup.find(key, using="default")
        assert found is not None
        assert state_of(found) == expected
        assert len(captured.captured_queries) == statements

    (warning,) = warnings_of()
    assert "WebSocketSession" in warning
    assert "'default'" in warning
    assert reason in warning
    assert lookup.find("unknown", using="default") is None


def test_nothing_else_uses_private_names_of_the_orm() -> None:
    users = {path.parent.name for path in PACKAGE.rglob("*.py") if PRIVATE.search(path.read_text())}

    assert users == {"compiled_queries"}
