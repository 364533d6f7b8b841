"""A SELECT by a unique column that Django's ORM compiles once, instead of once for each call.

Compiling takes most of the time of a query that finds one row. Only this module and `compiled_statements` use
private names of the ORM. Here: `get_compiler` of a query, `as_sql`, `select`, `klass_info` and
`get_converters` of its compiler, and `get_related_populators`. Where they differ from what is expected, the
plain query runs.

All else is as with the plain query. The statement passes through `connection.cursor()`, so that tenants,
execute wrappers, logs and tests see it. `from_db()` makes the objects, of values that the fields converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from django.core.signals import setting_changed
from django.db import Error, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import compiler as orm_compiler

from websocket_gateway.log_records import get_logger

logger = get_logger("websocket_gateway.connections")

M = TypeVar("M", bound=models.Model)

_MARKER: Final = "websocket-gateway-compiled"
_SLOT: Final = "_websocket_gateway_lookups"
"""The attribute of a database connection that holds what is bound to it, and is freed with it."""
_WRITING: Final = ("as_sql", "compile", "quote_name_unless_alias")
"""Methods of the compiler that must be Django's. Those of a library could write another statement."""
_READING: Final = (
    *("execute_sql", "results_iter", "get_converters", "apply_converters"),
    *("has_composite_fields", "composite_fields_to_tuples"),
)
"""Methods that this module replaces. No database backend, not even one of Django, must have its own."""


class _UnexpectedError(Exception):
    """The ORM does not compile the query as this module expects."""


class _Stamp(NamedTuple):
    """How a model was defined when a statement was compiled."""

    options: Any
    concrete_fields: object
    db_table: str


class _Statement(NamedTuple):
    """What the threads of a process share: the SQL of a database, and how its rows become objects."""

    settings_version: int
    stamps: tuple[_Stamp, ...]
    sql: str = ""
    """Empty where the plain query must run."""
    expressions: Sequence[Any] = ()
    end: int = 0
    from_db: Callable[[Sequence[Any]], Any] = list
    populators: Sequence[Any] = ()

    def is_current(self) -> bool:
        """Whether neither settings nor models have changed; a changed model has a new list of fields."""
        if self.settings_version != _settings.version:
            return False
        for options, concrete_fields, db_table in self.stamps:
            if options.concrete_fields is not concrete_fields or options.db_table != db_table:
                return False
        return True


class _Bound(NamedTuple):
    """A statement, with the converters of one database connection: position, functions, expression."""

    statement: _Statement
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]] = ()

    def build(self, row: Sequence[Any], connection: BaseDatabaseWrapper) -> Any:
        """Make the object of a row, with those that it is joined with."""
        values = list(row)
        for position, converters, expression in self.converters:
            value = values[position]
            for convert in converters:
                value = convert(value, expression, connection)
            values[position] = value
        found = self.statement.from_db(values[: self.statement.end])
        for populator in self.statement.populators:
            populator.populate(values, found)
        return found


class CompiledLookup(Generic[M]):
    """Finds the row of `rows` whose unique column of text has a value. `rows` may join other tables."""

    def __init__(self, rows: models.QuerySet[M], column: str) -> None:
        self._rows = rows
        self._column = column
        self._statements: dict[tuple[str, type], _Statement] = {}
        self._reported: set[str] = set()

    def find(self, value: str, *, using: str) -> M | None:
        """The row in the database `using`, None if there is none. One statement."""
        connection = connections[using]
        bound: _Bound | None = vars(connection).get(_SLOT, {}).get(self)
        if bound is None or not bound.statement.is_current():
            bound = self._bind(connection)
        if not bound.statement.sql:
            return self._find_plainly(value, using)
        with connection.cursor() as cursor:
            cursor.execute(bound.statement.sql, (value,))
            rows = cursor.fetchall()
        if not rows:
            return None
        try:
            found: M = bound.build(rows[0], connection)
            if getattr(found, self._column) == value:
                return found
            raise _UnexpectedError(f"{self._column} has another value in the row that was read")
        except Error:  # of a `from_db()` that runs a query
            raise
        except Exception as exc:  # noqa: BLE001 - private names may raise anything
            plain = self._find_plainly(value, using)  # raises as well if a field of the project does
            self._keep(connection, _Bound(self._refuse(using, exc)))
            return plain

    def _find_plainly(self, value: str, using: str) -> M | None:
        # A list is cheaper than `get()`, which clones once more, clears the order and sets a limit.
        found = list(self._rows.using(using).filter(**{self._column: value}))
        return found[0] if found else None

    def _bind(self, connection: BaseDatabaseWrapper) -> _Bound:
        try:
            statement, rows = self._statement(connection), cast("Any", self._rows)
            compiler = rows.query.get_compiler(using=connection.alias)
            bound = _Bound(statement, _converters(compiler, statement.expressions))
        except Error:  # of the database, which some backends ask while they compile
            raise
        except Exception as exc:  # noqa: BLE001 - private names may raise anything
            bound = _Bound(self._refuse(connection.alias, exc))
        return self._keep(connection, bound)

    def _keep(self, connection: BaseDatabaseWrapper, bound: _Bound) -> _Bound:
        self._statements[connection.alias, type(connection)] = bound.statement
        vars(connection).setdefault(_SLOT, {})[self] = bound
        return bound

    def _statement(self, connection: BaseDatabaseWrapper) -> _Statement:
        known = self._statements.get((connection.alias, type(connection)))
        return known if known is not None and known.is_current() else self._compile(connection.alias)

    def _compile(self, using: str) -> _Statement:
        from django.db.models.query import get_related_populators

        version, rows = _settings.version, cast("Any", self._rows.filter(**{self._column: _MARKER}))
        compiler = rows.query.get_compiler(using=using)
        _check_compiler(compiler)
        sql, parameters = compiler.as_sql()
        info, select = compiler.klass_info, compiler.select
        names = [item[0].target.attname for item in select]
        end = info["select_fields"][-1] + 1
        if tuple(parameters) != (_MARKER,) or sql.count("%s") != 1:
            raise _UnexpectedError("the statement has other parameters")
        extra = compiler.annotation_col_map or compiler.has_extra_select
        if info["select_fields"] != list(range(end)) or extra:
            raise _UnexpectedError("the statement has other columns")
        # From Django 6.1 on a QuerySet has a mode in which deferred fields are read.
        mode = getattr(self._rows, "_fetch_mode", None)
        if getattr(mode, "track_peers", False):
            raise _UnexpectedError("the query reads deferred fields of several rows at once")
        modes = {} if mode is None else {"fetch_mode": mode}
        return _Statement(
            settings_version=version,
            stamps=_stamps(_models(info)),
            sql=sql,
            expressions=[item[0] for item in select],
            end=end,
            from_db=partial(info["model"].from_db, using, names[:end], **modes),
            populators=get_related_populators(info, select, using, *modes.values()),
        )

    def _refuse(self, using: str, reason: Exception) -> _Statement:
        if using not in self._reported:
            self._reported.add(using)
            logger.warning(
                "the query of %s in the database %r is compiled for each message: %s: %s",
                self._rows.model.__name__,
                using,
                type(reason).__name__,
                reason,
                extra={"event": "query_not_compiled"},
            )
        return _Statement(_settings.version, _stamps([self._rows.model]))


def is_djangos(method: object) -> bool:
    """Whether a method is Django's. That of a library could write another statement: a condition, a table."""
    # A decorated method has the name and module of the original, but the globals of the library.
    name: str = getattr(method, "__globals__", {}).get("__name__", "")
    return name.startswith("django.db.")


def _check_compiler(compiler: Any) -> None:
    written = [(name, getattr(compiler, name)) for name in _WRITING]
    for name, method in (*written, ("quote_name", compiler.connection.ops.quote_name)):
        if not is_djangos(method):
            raise _UnexpectedError(f"{name} is not Django's")
    for name in _READING:
        if getattr(getattr(compiler, name), "__globals__", None) is not vars(orm_compiler):
            raise _UnexpectedError(f"{name} is not Django's own")


def _converters(compiler: Any, expressions: Sequence[Any]) -> list[tuple[int, Any, Any]]:
    found = compiler.get_converters(expressions)
    return [(position, converters, expression) for position, (converters, expression) in found.items()]


def _models(info: dict[str, Any]) -> Iterator[type[models.Model]]:
    """The models whose objects a row becomes."""
    yield info["model"]
    for related in info.get("related_klass_infos", ()):
        yield from _models(related)


def _stamps(found: Iterator[type[models.Model]] | list[type[models.Model]]) -> tuple[_Stamp, ...]:
    return tuple(_Stamp(m._meta, m._meta.concrete_fields, m._meta.db_table) for m in found)


class _Settings:
    version = 0
    """How often a setting has changed, as in tests: user model, databases, time zone and others matter."""


_settings = _Settings()


def _count_change(**kwargs: Any) -> None:
    _settings.version += 1


setting_changed.connect(_count_change, dispatch_uid="websocket_gateway.compiled_queries")
