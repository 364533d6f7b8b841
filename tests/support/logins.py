"""Django sessions under any engine: logged in, ended in every way, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends import file
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from tests.support.engines import own_storage
from websocket_gateway.django_sessions import _trouble

DJANGO = "django.contrib.sessions.backends"
ENGINES = {
    "db": f"{DJANGO}.db",
    "cached_db": f"{DJANGO}.cached_db",
    "cache": f"{DJANGO}.cache",
    "file": f"{DJANGO}.file",
    "own storage": "tests.support.engines.own_storage",
    "hashed keys": "tests.support.engines.hashed_keys",
}


@pytest.fixture(name="engine", params=ENGINES)
def engine_fixture(request: Any, settings: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[str]:
    """Every engine that can be asked, one after the other."""
    settings.SESSION_ENGINE = ENGINES[request.param]
    settings.SESSION_FILE_PATH = str(tmp_path)
    monkeypatch.setattr(file.SessionStore, "_storage_path", str(tmp_path), raising=False)
    cache.clear()
    own_storage.SessionStore.kept.clear()
    yield request.param
    cache.clear()


@pytest.fixture(name="calm")
def calm_fixture(monkeypatch: Any) -> Iterator[None]:
    """An engine that has failed is asked again at once, and by the next test in any case."""
    monkeypatch.setattr("websocket_gateway.django_sessions._PAUSE_SECONDS", 0.0)
    yield
    _trouble().until = 0.0


def log_in(user: User) -> str:
    """The key of a new session of that user, as the login view makes one."""
    client = Client()
    client.force_login(user)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def store_of(session_key: str) -> Any:
    return import_module(django_settings.SESSION_ENGINE).SessionStore(session_key)


def expire(session_key: str) -> None:
    store = store_of(session_key)
    store.set_expiry(-1)
    store.save()


def empty(session_key: str) -> None:
    """No user is logged in any more, though the session is there."""
    store = store_of(session_key)
    store.clear()
    store.save()


WAYS: dict[str, Callable[[str], Any]] = {
    "deleted": lambda key: store_of(key).delete(key),
    "flushed": lambda key: store_of(key).flush(),
    "expired": expire,
    "emptied": empty,
    "with a new key": lambda key: store_of(key).cycle_key(),
}


def stored_sessions(tmp_path: Path) -> Any:
    """All that any of the engines has stored."""
    memory = own_storage.SessionStore.kept
    files = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.glob("sessionid*")}
    # Reading deletes what has expired.
    memory_cache: Any = cache
    cached = {key: value for key, value in memory_cache._cache.items() if not memory_cache._has_expired(key)}
    return sorted(Session.objects.values_list()), dict(memory), files, cached
