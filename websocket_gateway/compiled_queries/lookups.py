"""A SELECT by a unique column that Django's ORM compiles once, instead of once for each call.

Compiling takes most of the time of a query that finds one row. Private names of the ORM that are used here:
`get_compiler` of a query, `as_sql`, `select`, `klass_info` and `get_converters` of its compiler, and
`get_related_populators`. Where they differ from what is expected, the plain query runs.

All else is as with the plain query. The statement passes through `connection.cursor()`, so that tenants,
execute wrappers, logs and tests see it. `from_db()` makes the objects, of values that the fields converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypedDict, TypeVar

from django.core.signals import setting_changed
from django.db import Error, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from websocket_gateway.compiled_queries.orm import UnexpectedError, check_compiler
from websocket_gateway.log_records import get_logger

if TYPE_CHECKING:
    from django.db.models.expressions import Expression
    from django.db.models.options import Options
    from django.db.models.query import RelatedPopulator
    from django.db.models.sql.compiler import SQLCompiler
    from typing_extensions import Required

logger = get_logger("websocket_gateway.connections")

M = TypeVar("M", bound=models.Model)

_MARKER: Final = "websocket-gateway-compiled"
_SLOT: Final = "_websocket_gateway_lookups"
"""The attribute of a database connection that holds what is bound to it, and is freed with it."""


class _ClassInfo(TypedDict, total=False):
    """The part of `klass_info` that tells which models a row has."""

    model: Required[type[models.Model]]
    related_klass_infos: Sequence[_ClassInfo]


class _Stamp(NamedTuple):
    """How a model was defined when a statement was compiled."""

    options: Options[models.Model]
    concrete_fields: object
    db_table: str


class _Statement(NamedTuple):
    """What the threads of a process share: the SQL of a database, and how its rows become objects."""

    settings_version: int
    stamps: tuple[_Stamp, ...]
    sql: str = ""
    """Empty where the plain query must run."""
    expressions: Sequence[Expression] = ()
    end: int = 0
    from_db: Callable[[Sequence[object]], Any] = list
    populators: Sequence[RelatedPopulator] = ()

    def is_current(self) -> bool:
        """Whether neither settings nor models have changed; a changed model has a new list of fields."""
        if self.settings_version != _settings.version:
            return False
        for options, concrete_fields, db_table in self.stamps:
            if options.concrete_fields is not concrete_fields or options.db_table != db_table:
                return False
        return True


_Converters: TypeAlias = "tuple[int, Sequence[Callable[..., object]], Expression]"
"""The position of a column, what turns its value into that of a field, and its expression."""


class _Bound(NamedTuple):
    """A statement, with the converters of one database connection: position, functions, expression."""

    statement: _Statement
    converters: Sequence[_Converters] = ()

    def build(self, row: Sequence[object], connection: BaseDatabaseWrapper) -> Any:
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
            raise UnexpectedError(f"{self._column} has another value in the row that was read")
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
            statement, rows = self._statement(connection), self._rows
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

        version, rows = _settings.version, self._rows.filter(**{self._column: _MARKER})
        compiler = rows.query.get_compiler(using=using)
        check_compiler(compiler)
        sql, parameters = compiler.as_sql()
        info, select = compiler.klass_info, compiler.select
        names = [item[0].target.attname for item in select]
        end = info["select_fields"][-1] + 1
        if tuple(parameters) != (_MARKER,) or sql.count("%s") != 1:
            raise UnexpectedError("the statement has other parameters")
        extra = compiler.annotation_col_map or compiler.has_extra_select
        if info["select_fields"] != list(range(end)) or extra:
            raise UnexpectedError("the statement has other columns")
        # From Django 6.1 on a QuerySet has a mode in which deferred fields are read.
        mode = getattr(self._rows, "_fetch_mode", None)
        if getattr(mode, "track_peers", False):
            raise UnexpectedError("the query reads deferred fields of several rows at once")
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


def _converters(compiler: SQLCompiler, expressions: Sequence[Expression]) -> list[_Converters]:
    found = compiler.get_converters(list(expressions))
    return [(position, converters, expression) for position, (converters, expression) in found.items()]


def _models(info: _ClassInfo) -> Iterator[type[models.Model]]:
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


def _count_change(**kwargs: object) -> None:
    _settings.version += 1


setting_changed.connect(_count_change, dispatch_uid="websocket_gateway.compiled_queries")
