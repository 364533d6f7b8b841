"""An engine with a storage of its own: it makes a session where it finds none, renews each one that it loads,
and says of every key that it exists."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from django.contrib.sessions.backends.base import SessionBase


class SessionStore(SessionBase):
    """Sessions in memory: key -> until when, and what."""

    kept: ClassVar[dict[str, tuple[float, str]]] = {}

    def exists(self, session_key: str | None) -> bool:
        return True

    def create(self) -> None:
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)

    def _get_new_session_key(self) -> str:
        return f"own-{time.monotonic_ns()}"

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        untyped: Any = self
        data = untyped._get_session(no_load=must_create)
        self.kept[self.session_key] = (time.time() + self.get_expiry_age(), self.encode(data))
        return None

    def delete(self, session_key: str | None = None) -> None:
        self.kept.pop(session_key or self.session_key or "", None)

    def load(self) -> dict[str, Any]:
        until, data = self.kept.get(self.session_key or "", (0.0, ""))
        if until <= time.time():
            self.create()
            return {}
        self._session_cache = self.decode(data)
        self.save()
        return self._session_cache
