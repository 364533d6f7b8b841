"""The Django session that opened a connection: its key, sealed in our rows, and whether it still exists.

Session engines are asked by key, so a hash is not enough. The key is encrypted with `SECRET_KEY`: the
database alone gives no session cookie.
"""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import count
from typing import Any, Final

from django.conf import settings
from django.db import router
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from websocket_gateway.forking import PerProcess
from websocket_gateway.log_records import get_logger
from websocket_gateway.logins import has_lasting_session_keys, hash_session_key
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.models.fields import SEALED_MAX_LENGTH

logger = get_logger("websocket_gateway.connections")

_SALT: Final = "websocket_gateway.django_sessions"
_NONCE: Final = 16
_TAG: Final = 16
_MAX_FAILURES: Final = 5
"""After so many failures in a row `find_over` gives up."""
_PAUSE_SECONDS: Final = 15.0
"""A process does not ask an engine again so soon after it has failed: it may be one that hangs."""


class SessionEngineError(Exception):
    """The engine cannot say whether a session exists. `str()` is the reason."""


def keep_session_key(row: WebSocketSession | WebSocketToken, session_key: str | None) -> None:
    """Store in `row` which Django session it belongs to; None for no session."""
    row.session_key_hash = hash_session_key(session_key)
    row.session_key_sealed = seal(session_key) if session_key else ""


def has_ended(row: WebSocketSession | WebSocketToken) -> bool:
    """Whether the Django session of `row` was deleted or has expired; one question to the session engine.

    False where this cannot be known: for a row without a key that can be read, with sessions in cookies,
    and while the engine fails, which is logged once.
    """
    session_key = open_sealed(row.session_key_sealed)
    trouble = _trouble()
    if session_key is None or time.monotonic() < trouble.until:
        return False
    try:
        ended = is_over(session_key)
    except SessionEngineError as exc:
        if not trouble.until:
            logger.warning(
                "the session engine fails, so no connection ends with its session: %s",
                exc,
                extra={"event": "session_engine_failed"},
            )
        trouble.until = time.monotonic() + _PAUSE_SECONDS
        return False
    trouble.until = 0.0
    return ended


def is_over(session_key: str) -> bool:
    """Ask the session engine whether a session is gone, expired or empty. Raises `SessionEngineError`.

    Nothing is written, and a database engine reads where it writes: a replica might not have the session yet.
    """
    try:
        store = _open(session_key)
        if store.session_key != session_key:  # the engine takes no such key
            return False
        if store.load() and store.session_key == session_key:
            return False
        _require_answers(store, session_key)
    except Exception as exc:
        raise SessionEngineError(f"{settings.SESSION_ENGINE}: {type(exc).__name__}: {exc}") from exc
    return True


def find_over(session_keys: Sequence[str], unknown: Counter[str]) -> Iterator[str]:
    """Those of `session_keys` whose session `is_over`. Failures are counted in `unknown`, by reason.

    Raises `SessionEngineError` if the engine fails several times in a row.
    """
    failures = 0
    alive = _find_alive(session_keys)
    for session_key in session_keys:
        if session_key in alive:
            continue
        try:
            if is_over(session_key):
                yield session_key
        except SessionEngineError as exc:
            failures += 1
            unknown[str(exc)] += 1
            if failures == _MAX_FAILURES:
                raise
        else:
            failures = 0


def _find_alive(session_keys: Sequence[str]) -> set[str]:
    """The keys of sessions that exist, in one query; empty for engines that can only be asked one by one."""
    from django.contrib.sessions.backends import cached_db, db

    try:
        engine = import_module(settings.SESSION_ENGINE).SessionStore
        if not session_keys or not any(_loads_like(engine, own.SessionStore) for own in (db, cached_db)):
            return set()
        store = _open(session_keys[0])
        found = store.model.objects.filter(session_key__in=session_keys, expire_date__gt=timezone.now())
        return {row.session_key for row in found if store.decode(row.session_data)}
    except Exception:  # noqa: BLE001 - the engine fails; asking about one session says how
        return set()


def _loads_like(engine: type, own: type) -> bool:
    """Whether the engine finds a session as one of Django's own does."""
    return all(getattr(engine, name, 0) is getattr(own, name) for name in ("load", "_get_session_from_db"))


class _Trouble:
    """Until when the engine is not asked, since it has failed; 0 while it answers."""

    until = 0.0


_trouble = PerProcess(_Trouble)


def _open(session_key: str) -> Any:
    """A store of `SESSION_ENGINE` that changes nothing; some engines delete or create when they load."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)

    def forget_key(*args: object, **kwargs: object) -> None:
        store._session_key = None

    def leave(*args: object, **kwargs: object) -> None:
        """Save nothing."""

    vars(store).update(save=leave, cycle_key=leave, create=forget_key, delete=forget_key, flush=forget_key)
    if (model := getattr(store, "model", None)) is not None:
        vars(store)["model"] = _Primary(model)
    if "_cache" in vars(store):
        store._cache = _ReadOnlyCache(store._cache)
    return store


class _Primary:
    """The model of a database engine, read from the database that it is written to."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.objects = model.objects.db_manager(router.db_for_write(model))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class _ReadOnlyCache:
    """The cache of an engine, whose failures the engine may hide."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        self.failure: Exception | None = None

    def get(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._cache.get(*args, **kwargs)
        except Exception as exc:
            self.failure = exc
            raise

    def set(self, *args: object, **kwargs: object) -> None:
        """Store nothing: the session may have been deleted meanwhile."""

    def require_answers(self) -> None:
        """Raise if it has failed, or loses what it is given: some caches hide that they cannot be reached."""
        if self.failure is not None:
            raise self.failure
        key, value = f"{_SALT}.{secrets.token_hex(8)}", secrets.token_hex(8)
        self._cache.set(key, value, 10)
        kept = self._cache.get(key)
        self._cache.delete(key)
        if kept != value:
            raise RuntimeError("the cache does not keep what is stored in it")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


def _require_answers(store: Any, session_key: str) -> None:
    """Raise unless the engine works: many return an empty session where they have failed."""
    if isinstance(getattr(store, "model", None), _Primary):
        return  # the database has answered
    if isinstance(cache := vars(store).get("_cache"), _ReadOnlyCache):
        cache.require_answers()
    else:
        store.exists(session_key)


def seal(session_key: str) -> str:
    """Encrypt a session key with `SECRET_KEY`; empty for one that is too long for the column."""
    nonce, text = secrets.token_bytes(_NONCE), session_key.encode(errors="surrogatepass")
    hidden = nonce + _xor(text, nonce, settings.SECRET_KEY)
    sealed = urlsafe_b64encode(hidden + _tag(hidden, settings.SECRET_KEY)).decode()
    return sealed if len(sealed) <= SEALED_MAX_LENGTH else ""


def open_sealed(sealed: str) -> str | None:
    """Decrypt what `seal` made with `SECRET_KEY` or one of its fallbacks; None if it cannot be asked for."""
    if not sealed or not has_lasting_session_keys():
        return None
    try:
        parts = urlsafe_b64decode(sealed)
    except ValueError:
        return None
    hidden, tag = parts[:-_TAG], parts[-_TAG:]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if len(hidden) > _NONCE and constant_time_compare(tag, _tag(hidden, secret)):
            return _xor(hidden[_NONCE:], hidden[:_NONCE], secret).decode(errors="surrogatepass")
    return None


def _tag(hidden: bytes, secret: str | bytes) -> bytes:
    return salted_hmac(f"{_SALT}.tag", hidden, secret=secret, algorithm="sha256").digest()[:_TAG]


def _xor(text: bytes, nonce: bytes, secret: str | bytes) -> bytes:
    return bytes(byte ^ pad for byte, pad in zip(text, _pad(nonce, secret), strict=False))


def _pad(nonce: bytes, secret: str | bytes) -> Iterator[int]:
    """Bytes for one nonce, without end: HMAC-SHA256 in counter mode."""
    for number in count():
        block = nonce + number.to_bytes(4, "big")
        yield from salted_hmac(f"{_SALT}.pad", block, secret=secret, algorithm="sha256").digest()
