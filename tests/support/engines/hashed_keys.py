"""Django's database engine, derived so that its table has hashes of the keys only."""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.utils import timezone


def stored(session_key: str | None) -> str:
    return hashlib.sha256((session_key or "").encode()).hexdigest()[:40]


class SessionStore(db.SessionStore):
    """The key itself is in the cookie alone."""

    def load(self) -> dict[str, Any]:
        rows = self.model.objects.filter(session_key=stored(self.session_key), expire_date__gt=timezone.now())
        if (row := rows.first()) is None:
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    def exists(self, session_key: str | None) -> bool:
        return self.model.objects.filter(session_key=stored(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        instance = super().create_model_instance(data)
        instance.session_key = stored(self.session_key)
        return instance

    def delete(self, session_key: str | None = None) -> None:
        self.model.objects.filter(session_key=stored(session_key or self.session_key)).delete()
