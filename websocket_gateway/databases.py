"""Which rows a table has: they depend on the database and, where tenants have their own, on the schema."""

from __future__ import annotations

from django.db import connections

Place = tuple[str, str]
"""A database's alias, and the schema or tenant in it; empty where there are none."""


def place_in(alias: str) -> Place:
    """Where a query on the database `alias` reads now; django-tenants sets the schema on the connection."""
    connection = connections[alias]
    schema = getattr(connection, "schema_name", None)
    if not schema and (tenant := getattr(connection, "tenant", None)) is not None:
        schema = getattr(tenant, "schema_name", None) or getattr(tenant, "pk", None) or tenant
    return alias, str(schema or "")
