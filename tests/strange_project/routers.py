"""Reads go to a replica, which has what it had when it last caught up."""

from __future__ import annotations

import sqlite3
from typing import Any

from django.db import connections


class ReplicaRouter:
    """As in Django's documentation."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True


def catch_up() -> None:
    """Give the replica what was written until now."""
    replica = connections["replica"]
    replica.close()
    names = [connections[alias].settings_dict["NAME"] for alias in ("default", "replica")]
    source, target = map(sqlite3.connect, names)
    source.backup(target)
    source.close()
    target.close()
