"""Statements that are compiled once. For a short statement, Django's compiler takes longer than the database.

A query is built from the models as everywhere else, with a `Given` in each place whose value differs from run
to run. It is compiled when it is first run on a database; each run only fills in the values. Only the SQL is
kept, no result and no connection, so nothing here can be out of date.

Private names of the ORM that are used here: `get_compiler`, `as_sql`, `select`, `col_count`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import UpdateQuery

from websocket_gateway.compiled_queries.orm import is_djangos

if TYPE_CHECKING:
    from django.db.models.expressions import Expression
    from django.db.models.sql.compiler import SQLCompiler

_Compiled: TypeAlias = "tuple[str, Sequence[object], Sequence[Expression]]"
"""The SQL, its parameters, and the expressions of its columns."""


class Given(models.Value):
    """The place of a value that each run gives under this name: one of a field of a model."""

    def __init__(self, name: str, model: type[models.Model], field: str = "") -> None:
        """`field` is that of the same name, unless it is given."""
        field = field or name
        found: Any = model._meta.pk if field == "pk" else model._meta.get_field(field)
        super().__init__(None, output_field=found)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """Leave a place for the value."""
        return "%s", (self,)

    def written(self, values: Mapping[str, object], connection: BaseDatabaseWrapper) -> object:
        """The value of a run, as the driver of the database takes it."""
        return self.output_field.get_db_prep_value(values[self.name], connection=connection, prepared=False)


class _CompiledOnce:
    """The form of a statement, for each database that it was run on."""

    def __init__(self, build: Callable[[], models.QuerySet[models.Model, object]]) -> None:
        self._build = build
        self._forms: dict[tuple[str, type], _Compiled] = {}

    def _compile(self, connection: BaseDatabaseWrapper) -> _Compiled:
        compiler = self._build().query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        return sql, parameters, [column[0] for column in compiler.select[: compiler.col_count]]

    def _form(self, connection: BaseDatabaseWrapper) -> _Compiled:
        key = (connection.alias, type(connection))
        form = self._forms.get(key)
        if form is None:
            form = self._compile(connection)
            if _writes_the_same_each_time(connection):
                self._forms[key] = form
        return form


class CompiledQuery(_CompiledOnce):
    """A SELECT; `build` returns a query with `values_list`."""

    def rows(self, using: str, **values: object) -> list[tuple[Any, ...]]:
        """Run it on a database with these values."""
        connection = connections[using]
        sql, parameters, columns = self._form(connection)
        with connection.cursor() as cursor:
            cursor.execute(sql, _filled(parameters, values, connection))
            rows = cursor.fetchall()
        return _converted(rows, columns, connection) if rows else []


class CompiledUpdate(_CompiledOnce):
    """An UPDATE of the rows of a query; `changes` are what `QuerySet.update` takes."""

    def __init__(self, build: Callable[[], models.QuerySet[models.Model, object]], **changes: object) -> None:
        super().__init__(build)
        self._changes = changes

    def run(self, using: str, **values: object) -> int:
        """Run it on a database with these values; returns the number of rows that it has found."""
        connection = connections[using]
        sql, parameters, _ = self._form(connection)
        with connection.cursor() as cursor:
            cursor.execute(sql, _filled(parameters, values, connection))
            return int(cursor.rowcount)

    def _compile(self, connection: BaseDatabaseWrapper) -> _Compiled:
        query: Any = self._build().query.chain(UpdateQuery)
        query.add_update_values(self._changes)
        sql, parameters = query.get_compiler(connection=connection).as_sql()
        return sql, parameters, ()


def _writes_the_same_each_time(connection: BaseDatabaseWrapper) -> bool:
    compilers = (connection.ops.compiler(name) for name in ("SQLCompiler", "SQLUpdateCompiler"))
    return all(
        is_djangos(getattr(compiler, name)) for compiler in compilers for name in ("as_sql", "compile")
    )


def _filled(
    parameters: Sequence[object], values: Mapping[str, object], connection: BaseDatabaseWrapper
) -> list[Any]:
    return [
        parameter.written(values, connection) if isinstance(parameter, Given) else parameter
        for parameter in parameters
    ]


def _converted(
    rows: Sequence[tuple[Any, ...]], columns: Sequence[Expression], connection: BaseDatabaseWrapper
) -> list[tuple[Any, ...]]:
    """The rows as Django gives them: a driver may know neither booleans nor points in time."""
    own = connection.ops.get_db_converters
    found = [(own(column) + column.get_db_converters(connection), column) for column in columns]
    needed = [(place, *converters) for place, converters in enumerate(found) if converters[0]]
    changed = [list(row) for row in rows] if needed else []
    for values in changed:
        for place, functions, column in needed:
            for convert in functions:
                values[place] = convert(values[place], column, connection)
    return [tuple(values) for values in changed] if needed else list(rows)
