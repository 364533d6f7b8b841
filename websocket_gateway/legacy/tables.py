"""The tables of django-aws-api-gateway-websockets 4, read as they lie in the database.

The old app is out of `INSTALLED_APPS` by the time they are read, so its models are described
here again, in a registry of their own that neither migrations nor checks ever see. Versions
before 4.1 lack some tables and columns; those read as empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.apps.registry import Apps
from django.contrib.auth.models import Permission
from django.db import connections, models, router
from django.db.backends.utils import truncate_name

from websocket_gateway import database_engines
from websocket_gateway.exceptions import LegacyImportError
from websocket_gateway.models import ApiGateway

APP: Final = "django_aws_api_gateway_websockets"

_PAGE = 1000
_TYPES: Final[dict[str, type[models.Field[Any, Any]]]] = {
    "tags": models.JSONField,
    "api_created": models.BooleanField,
    "custom_domain_created": models.BooleanField,
    "deployed": models.BooleanField,
    "connected": models.BooleanField,
    "created_on": models.DateTimeField,
    "updated_on": models.DateTimeField,
}
"""Columns whose values differ from one database to the next; all others are taken as they come."""

GATEWAY_COLUMNS: Final = (
    "api_name",
    "api_description",
    "default_channel_name",
    "domain_name",
    "target_base_endpoint",
    "certificate_arn",
    "hosted_zone_id",
    "api_key_selection_expression",
    "route_selection_expression",
    "stage_name",
    "stage_description",
    "tags",
    "api_id",
    "api_endpoint",
    "api_gateway_domain_name",
    "api_mapping_id",
    "deployment_id",
    "api_created",
    "custom_domain_created",
)
"""Columns of the old `ApiGateway` that are fields of ours under the same name."""

_SESSION_COLUMNS: Final = (
    "connection_id",
    "channel_name",
    "user_id",
    "api_gateway_id",
    "connected",
    "session_key_hash",
    "auth_hash",
    "created_on",
    "updated_on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyPermission:
    """A restricted channel: its level of access and, for the level `permissions`, its alternatives."""

    channel_name: str
    access: str
    description: str
    rules: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyGateway:
    """A gateway; `values` are fields of ours, without those that are empty."""

    id: int
    api_name: str
    api_id: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyRoute:
    """An additional route of a gateway."""

    id: int
    api_gateway_id: int | None
    name: str
    route_key: str
    integration_url: str
    deployed: bool | None
    created_on: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacySession:
    """A socket, open or ended."""

    id: int
    connection_id: str
    channel_name: str | None
    user_id: object
    api_gateway_id: int | None
    connected: bool
    session_key_hash: str | None
    auth_hash: str | None
    created_on: datetime
    updated_on: datetime | None


def read_gateways() -> list[LegacyGateway]:
    """Every gateway, the oldest first. Raises `LegacyImportError` if the tables are not there."""
    table = _Table("apigateway", *GATEWAY_COLUMNS)
    if not table.exists:
        raise LegacyImportError(
            f"The database {table.database!r} has no table {table.name!r}, so there is nothing to import. "
            "Is it the database that django-aws-api-gateway-websockets was used with?"
        )
    return [
        LegacyGateway(
            id=row["id"],
            api_name=row["api_name"],
            api_id=row["api_id"] or "",
            values={name: row[name] for name in GATEWAY_COLUMNS if row[name] is not None},
        )
        for row in table.rows()
    ]


def read_routes() -> list[LegacyRoute]:
    """Every additional route, the oldest first."""
    columns = ("api_gateway_id", "name", "route_key", "integration_url", "deployed", "created_on")
    return [LegacyRoute(**row) for row in _Table("apigatewayadditionalroute", *columns).rows()]


def read_sessions(**filters: object) -> Iterator[list[LegacySession]]:
    """The sessions that fit, by pages of a thousand."""
    table = _Table("websocketsession", *_SESSION_COLUMNS)
    last = 0
    while page := [LegacySession(**row) for row in table.rows(id__gt=last, limit=_PAGE, **filters)]:
        yield page
        last = page[-1].id


def read_permissions() -> list[LegacyPermission]:
    """Every restricted channel, by name, with the labels of the permissions that its rules name."""
    labels = _permission_labels()
    named: dict[int, set[str]] = defaultdict(set)
    columns = ("channelpermissionrule_id", "permission_id")
    for row in _Table("channelpermissionrule_permissions", *columns).rows():
        if label := labels.get(row["permission_id"]):
            named[row["channelpermissionrule_id"]].add(label)
    rules: dict[int, list[frozenset[str]]] = defaultdict(list)
    for row in _Table("channelpermissionrule", "channel_permission_id").rows():
        rules[row["channel_permission_id"]].append(frozenset(named[row["id"]]))
    found = [
        LegacyPermission(
            channel_name=row["channel_name"],
            access=row["access"],
            description=row["description"] or "",
            rules=tuple(rules[row["id"]]),
        )
        for row in _Table("channelpermission", "channel_name", "access", "description").rows()
    ]
    return sorted(found, key=lambda permission: permission.channel_name)


def read_spellings(channel_name: str) -> set[str]:
    """How the channel is written in sessions; several ways only where the database ignores case."""
    rows = _Table("websocketsession", "channel_name").rows(channel_name=channel_name)
    return {row["channel_name"] for row in rows}


def ignores_case() -> bool:
    """Whether the database takes `Office` and `office` for the same channel."""
    return database_engines.ignores_case(connections[router.db_for_write(ApiGateway)])


def _permission_labels() -> dict[int, str]:
    rows = Permission.objects.using(router.db_for_write(ApiGateway))
    return {
        pk: f"{app_label}.{codename}"
        for pk, app_label, codename in rows.values_list("pk", "content_type__app_label", "codename")
    }


class _Table:
    """One old table; a column that it does not have reads as None."""

    def __init__(self, name: str, *columns: str) -> None:
        self.database = router.db_for_write(ApiGateway)
        connection = connections[self.database]
        # The name of the many-to-many table is too long for PostgreSQL and MariaDB; Django cuts it.
        self.name = truncate_name(f"{APP}_{name}", connection.ops.max_name_length())
        with connection.cursor() as cursor:
            introspection = connection.introspection
            self.exists = self.name in introspection.table_names(cursor)
            found = introspection.get_table_description(cursor, self.name) if self.exists else []
        present = {column.name for column in found}
        self._missing = [column for column in columns if column not in present]
        self._columns = [column for column in columns if column in present]
        self._model = _model(self.name, self._columns)

    def rows(self, *, limit: int | None = None, **filters: object) -> Iterator[dict[str, Any]]:
        """The rows that fit, in the order of their keys; none if there is no such table."""
        if not self.exists:
            return
        query = self._model._default_manager.using(self.database).filter(**filters).order_by("id")
        for row in query.values("id", *self._columns)[:limit]:
            yield {**dict.fromkeys(self._missing), **row}


def _model(table: str, columns: Iterable[str]) -> type[models.Model]:
    meta = type("Meta", (), {"apps": Apps(), "app_label": APP, "db_table": table, "managed": False})
    fields = {column: _TYPES.get(column, models.Field)(null=True, db_column=column) for column in columns}
    return type("LegacyRow", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})
