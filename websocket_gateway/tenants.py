"""The tenant of the caller, for code that runs in another thread, after a commit, or in a worker.

Under django-tenants a database connection is set to the schema of a tenant. The connection of a new thread is
set to the public schema, so a thread that works for a caller must be told. Nothing here imports
django-tenants: a connection that has `set_tenant` is one of such a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import connections

Place = tuple[str, str]
"""Where rows are: a database's alias, and the schema or tenant in it; empty where there are none."""
P = ParamSpec("P")
T = TypeVar("T")


def for_another_thread(function: Callable[P, T]) -> Callable[P, T]:
    """`function` for one call in another thread: with the context variables and the tenant of this thread.

    The database connections that the other thread has are closed afterwards, because Django does not.
    """
    context, run = copy_context(), with_current_tenant(function)

    @wraps(function)
    def in_thread(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return context.run(run, *args, **kwargs)
        finally:
            connections.close_all()

    return in_thread


def with_current_tenant(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, run with the tenant of now; itself where there are no tenants."""
    tenants = _current_tenants()
    if not tenants:
        return function

    @wraps(function)
    def with_tenant(*args: P.args, **kwargs: P.kwargs) -> T:
        with _set(tenants):
            return function(*args, **kwargs)

    return with_tenant


def place_in(alias: str) -> Place:
    """Where a query on the database `alias` reads now."""
    return alias, current_schema(alias)


def current_schema(alias: str) -> str:
    """The schema that a database connection is set to, or what names its tenant; empty without tenants."""
    connection = connections[alias]
    schema = getattr(connection, "schema_name", None)
    if not schema and (tenant := getattr(connection, "tenant", None)) is not None:
        schema = getattr(tenant, "schema_name", None) or getattr(tenant, "pk", None) or tenant
    return str(schema or "")


@contextmanager
def in_schema(alias: str, schema: str) -> Iterator[None]:
    """Set a database connection to a schema, if it can be and is not."""
    connection = connections[alias]
    if not schema or not hasattr(connection, "set_schema") or current_schema(alias) == schema:
        yield
        return
    before = {alias: _tenant_of(alias)}
    connection.set_schema(schema)
    try:
        yield
    finally:
        _restore(before)


_Tenants = Mapping[str, tuple[object, bool]]
"""The tenant of each database connection of this thread, and whether the public schema is read too."""


def _current_tenants() -> _Tenants:
    # Only connections that this thread has used can have been set to a tenant.
    return {
        connection.alias: _tenant_of(connection.alias)
        for connection in connections.all(initialized_only=True)
        if hasattr(connection, "set_tenant") and getattr(connection, "tenant", None) is not None
    }


@contextmanager
def _set(tenants: _Tenants) -> Iterator[None]:
    before = {alias: _tenant_of(alias) for alias in tenants}
    _restore(tenants)
    try:
        yield
    finally:
        _restore(before)


def _tenant_of(alias: str) -> tuple[object, bool]:
    connection = connections[alias]
    return getattr(connection, "tenant", None), getattr(connection, "include_public_schema", True)


def _restore(tenants: _Tenants) -> None:
    for alias, (tenant, include_public) in tenants.items():
        connection: Any = connections[alias]
        if _tenant_of(alias) != (tenant, include_public):
            connection.set_tenant(tenant, include_public)
