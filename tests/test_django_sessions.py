"""Session keys are sealed with SECRET_KEY, and an engine that fails ends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.support.logins import DJANGO, ENGINES, calm_fixture, log_in, store_of
from websocket_gateway.django_sessions import (
    SessionEngineError,
    has_ended,
    is_over,
    keep_session_key,
    open_sealed,
    seal,
)
from websocket_gateway.models import WebSocketSession
from websocket_gateway.models.fields import SEALED_MAX_LENGTH
from websocket_gateway.purging import Part, count_purgeable, purge
from websocket_gateway.receiving.tokens import consume_token, issue_token
from websocket_gateway.signals import disconnected
from websocket_gateway.testing import FakeConnections, WebSocketClient
from websocket_gateway.views import WebSocketView

__all__ = ["calm_fixture"]

KEY = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3yk3"


@pytest.mark.parametrize("key", [KEY, "x", "é" * 40, "\ud800", "k" * 157])
def test_sealed_key_opens(key: str) -> None:
    assert open_sealed(seal(key)) == key


def test_sealing_twice_shows_nothing_in_common() -> None:
    first, second = seal(KEY), seal(KEY)

    assert first != second
    assert sum(one == other for one, other in zip(first, second, strict=True)) < 20  # 1 of 64 by chance
    assert len(first) < SEALED_MAX_LENGTH


def test_key_that_is_too_long_for_the_column_is_not_sealed() -> None:
    assert seal("k" * 158) == ""


def test_sealed_key_opens_with_a_fallback_of_the_secret_key(settings: Any) -> None:
    sealed = seal(KEY)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["older", settings.SECRET_KEY]
    assert open_sealed(sealed) == KEY

    settings.SECRET_KEY_FALLBACKS = ["older"]
    assert open_sealed(sealed) is None


@pytest.mark.parametrize("damaged", ["", "x", "é", "====", "A" * 86, "A" * 255])
def test_text_that_nothing_has_sealed_does_not_open(damaged: str) -> None:
    assert open_sealed(damaged) is None


def test_no_character_of_a_sealed_key_can_be_changed() -> None:
    sealed = seal(KEY)

    for place in range(len(sealed) - 3):  # the last ones before the padding have bits without meaning
        other = "A" if sealed[place] != "A" else "B"
        assert open_sealed(sealed[:place] + other + sealed[place + 1 :]) is None


class UnreachableCache(LocMemCache):
    """A server that is away: what it is asked, it refuses, as redis-py does."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("nothing listens")

    def set(self, *args: Any, **kwargs: Any) -> None:
        raise ConnectionError("nothing listens")


CACHES: dict[str, tuple[str, str]] = {
    "refuses": (f"{__name__}.UnreachableCache", "ConnectionError: nothing listens"),
    "closed port": ("django.core.cache.backends.redis.RedisCache", "ConnectionError"),
    # As `IGNORE_EXCEPTIONS` of django-redis, `ignore_exc` of pymemcache.
    "hides that it is away": ("django.core.cache.backends.dummy.DummyCache", "does not keep"),
}


def break_cache(settings: Any, kind: str) -> str:
    backend, why = CACHES[kind]
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    return why


@contextmanager
def broken_table() -> Iterator[None]:
    """The database refuses what is asked about sessions of Django."""

    def refuse(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if "django_session" in sql:
            raise OperationalError("the table is locked")
        return execute(sql, *args)

    with connection.execute_wrapper(refuse):
        yield


class View(WebSocketView):
    def say(self, request: Any) -> dict[str, Any]:
        return {"by": str(request.user)}


def sockets_of_an_ended_session(number: int = 2) -> list[WebSocketClient]:
    """Open, and a minute old; the session is gone."""
    user = UserFactory.create(username="ada")
    key = log_in(user)
    clients = [WebSocketClient(View, gateway=ApiGatewayFactory.create()) for _ in range(number)]
    for client in clients:
        assert client.connect(token=issue_token(user, key)).ok
    WebSocketSession.objects.update(last_seen_on=timezone.now() - timedelta(seconds=61))
    store_of(key).delete(key)
    return clients


def failures_in(caplog: Any) -> list[str]:
    found = [record for record in caplog.records if getattr(record, "event", "") == "session_engine_failed"]
    return [record.getMessage() for record in found]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("kind", CACHES)
def test_cache_that_is_away_ends_nothing_and_is_logged_once(
    settings: Any, caplog: Any, fake_connections: FakeConnections, kind: str
) -> None:
    settings.SESSION_ENGINE = ENGINES["cache"]
    clients = sockets_of_an_ended_session()
    token = issue_token(UserFactory.create(), KEY)
    why = break_cache(settings, kind)

    assert [client.send({"handler": "say"}).status_code for client in clients] == [200, 200]
    assert consume_token(token) is not None
    report = purge(only=[Part.LOGINS])

    assert fake_connections.closed == []
    (line,) = failures_in(caplog)
    assert why in line
    assert ENGINES["cache"] in line
    assert report.counts == {"sessions_ended_logged_out": 0}
    (problem,) = report.problems
    assert problem.startswith("1 Django session not asked about: ")
    assert why in problem


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("engine", ["db", "cached_db"])
def test_database_that_fails_ends_nothing(
    settings: Any, caplog: Any, fake_connections: FakeConnections, engine: str
) -> None:
    settings.SESSION_ENGINE = ENGINES[engine]
    (client,) = sockets_of_an_ended_session(1)

    with broken_table():
        assert client.send({"handler": "say"}).ok
        assert "the table is locked" in purge(only=[Part.LOGINS]).problems[0]

    assert fake_connections.closed == []
    assert len(failures_in(caplog)) == 1
    assert purge(only=[Part.LOGINS]).counts == {"sessions_ended_logged_out": 1}


@pytest.mark.django_db
@pytest.mark.usefixtures("calm")
def test_engine_is_logged_again_after_it_has_answered(settings: Any, caplog: Any) -> None:
    settings.SESSION_ENGINE = ENGINES["cache"]
    row = WebSocketSessionFactory.create()
    keep_session_key(row, KEY)
    working = settings.CACHES

    for kind in ("refuses", "refuses", None, "refuses"):
        if kind:
            break_cache(settings, kind)
        else:
            settings.CACHES = working
        assert has_ended(row) is (kind is None)

    assert len(failures_in(caplog)) == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("calm")
def test_engine_that_fails_is_left_alone_for_a_while(settings: Any, monkeypatch: Any) -> None:
    asked = []

    class Counting(UnreachableCache):
        def get(self, *args: Any, **kwargs: Any) -> Any:
            asked.append(args)
            return super().get(*args, **kwargs)

    monkeypatch.setattr("tests.test_django_sessions.UnreachableCache", Counting)
    monkeypatch.setattr("websocket_gateway.django_sessions._PAUSE_SECONDS", 60.0)
    settings.SESSION_ENGINE = ENGINES["cache"]
    break_cache(settings, "refuses")
    row = WebSocketSessionFactory.create()
    keep_session_key(row, KEY)

    assert [has_ended(row) for _ in range(5)] == [False] * 5
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
def test_purge_gives_an_engine_up_that_only_fails(settings: Any) -> None:
    settings.SESSION_ENGINE = ENGINES["cache"]
    for _ in range(20):
        row = WebSocketSessionFactory.create()
        keep_session_key(row, log_in(UserFactory.create()))
        row.save()
    break_cache(settings, "refuses")

    found = purge(only=[Part.LOGINS]).problems

    assert len(found) == 2
    assert found[0].startswith("Django sessions are not asked about any more: ")
    assert found[1].startswith("5 Django sessions not asked about: ")
    assert count_purgeable(only=[Part.LOGINS]).problems[0].startswith("not counted: ")


@pytest.mark.django_db
def test_engine_that_cannot_be_imported_says_nothing(settings: Any) -> None:
    settings.SESSION_ENGINE = "no.such.engine"

    with pytest.raises(SessionEngineError, match=r"no\.such\.engine: ModuleNotFoundError"):
        is_over(KEY)


@pytest.mark.django_db
@pytest.mark.parametrize("engine", ENGINES)
def test_key_that_the_engine_would_not_take_is_left_alone(settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = ENGINES[engine]

    assert not is_over("short")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("engine", "statements"), [("db", 1), ("cached_db", 1), ("hashed keys", 3)])
def test_purge_asks_once_for_each_session_and_the_database_once_for_all(
    settings: Any, engine: str, statements: int
) -> None:
    settings.SESSION_ENGINE = ENGINES[engine]
    user = UserFactory.create()
    for key in [log_in(user) for _ in range(3)]:
        for _ in range(4):
            row = WebSocketSessionFactory.create(user=user)
            keep_session_key(row, key)
            row.save()

    with CaptureQueriesContext(connection) as captured:
        assert purge(only=[Part.LOGINS]).counts == {"sessions_ended_logged_out": 0}

    assert sum("django_session" in query["sql"] for query in captured.captured_queries) == statements


@pytest.mark.django_db(transaction=True)
def test_purge_stops_in_time_and_goes_on_in_the_next_run(fake_connections: FakeConnections) -> None:
    gone = store_of("gone" * 8).session_key
    for _ in range(60):
        row = WebSocketSessionFactory.create()
        keep_session_key(row, gone)
        row.save()
    seen = []

    def listen(**kwargs: Any) -> None:
        seen.append(kwargs["reason"])

    disconnected.connect(listen)
    try:
        first = purge(only=[Part.LOGINS], max_seconds=0.000_001)
        second = purge(only=[Part.LOGINS])
    finally:
        disconnected.disconnect(listen)

    assert (first.complete, second.complete) == (False, True)
    assert first.counts["sessions_ended_logged_out"] + second.counts["sessions_ended_logged_out"] == 60
    assert seen == ["session"] * 60
    assert len(fake_connections.closed) == 60


def test_engines_that_cannot_be_asked_are_not(settings: Any) -> None:
    sealed = seal(KEY)
    for engine in (f"{DJANGO}.signed_cookies", "tests.test_logins"):
        settings.SESSION_ENGINE = engine
        assert open_sealed(sealed) is None
