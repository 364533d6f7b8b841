"""Queries that are compiled once: the same rows, types and changes as those of Django's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from websocket_gateway.compiled_queries.statements import CompiledQuery, CompiledUpdate, Given
from websocket_gateway.models import Channel, ChannelMessage

pytestmark = pytest.mark.django_db

FIELDS = ("pk", "channel_name", "offset", "body", "created_on")


def since(after: object) -> Any:
    return ChannelMessage.objects.filter(created_on__gte=after).order_by("pk").values_list(*FIELDS)


def test_a_query_gives_what_django_gives_and_is_compiled_once() -> None:
    now = timezone.now()
    for minutes in range(3):
        ChannelMessage.objects.create(
            channel_name="orders", body=b"{}", created_on=now - timedelta(minutes=minutes)
        )
    built: list[object] = []

    def build() -> Any:
        built.append(given := Given("after", ChannelMessage, "created_on"))
        return since(given)

    query = CompiledQuery(build)
    for minutes in (0, 1, 5):
        after = now - timedelta(minutes=minutes)
        rows = query.rows("default", after=after)
        found = [(*row[:3], bytes(row[3]), row[4]) for row in rows]
        assert found == [(*row[:3], bytes(row[3]), row[4]) for row in since(after)]
    assert len(found) == 3
    assert len(built) == 1
    assert query.rows("default", after=now + timedelta(days=1)) == []


def test_an_update_changes_the_rows_it_has_found() -> None:
    Channel.objects.create(name="orders", last_offset=4)
    named = CompiledUpdate(
        lambda: Channel.objects.filter(name=Given("channel", Channel, "name")),
        last_offset=F("last_offset") + Given("more", Channel, "last_offset"),
    )

    assert (named.run("default", channel="orders", more=3), named.run("default", channel="o", more=9)) == (
        1,
        0,
    )
    assert Channel.objects.get().last_offset == 7


def test_a_value_is_never_part_of_the_statement() -> None:
    query = CompiledQuery(
        lambda: Channel.objects.filter(name=Given("channel", Channel, "name")).values_list("pk")
    )
    Channel.objects.create(name="orders")

    assert query.rows("default", channel="' OR 1=1 --") == []
    with pytest.raises(KeyError):
        query.rows("default")
    assert connection.is_usable()


def test_a_compiler_of_a_library_is_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = "a"
    written = SQLCompiler.as_sql

    def as_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
        sql, parameters = written(self, *args, **kwargs)
        return sql.replace("WHERE", f"WHERE '{tenant}' = 'b' AND"), parameters

    monkeypatch.setattr(SQLCompiler, "as_sql", as_sql)
    query = CompiledQuery(
        lambda: Channel.objects.filter(name=Given("channel", Channel, "name")).values_list("pk")
    )
    Channel.objects.create(name="orders")

    assert query.rows("default", channel="orders") == []
    tenant = "b"
    assert len(query.rows("default", channel="orders")) == 1
