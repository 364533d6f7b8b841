"""A query that is compiled once makes the objects of the plain query, whatever the models are."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps

from tests.compiled_queries.test_lookups import state_of
from websocket_gateway.compiled_queries.lookups import CompiledLookup

# mypy: disable-error-code="var-annotated, no-untyped-call, type-arg"
# ruff: noqa: DJ008 - models of a test

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime.datetime(2026, 1, 2, 12, 0, tzinfo=datetime.timezone.utc)


class Sealed(models.CharField):
    """A column that holds something else than the attribute, as one that is encrypted."""

    readable = True

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if not self.readable:
            raise ValueError("The value cannot be read.")
        return None if value is None else value.removeprefix("sealed:")

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else f"sealed:{value}"


class Nobody(models.Manager):
    """Finds no row; a joined row is found all the same."""

    def get_queryset(self) -> Any:
        return super().get_queryset().none()


def number() -> tuple[Any, list[Any], Any]:
    class Owner(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

    return Owner, [Owner], Owner(name="Ada")


def unique_id_and_manager() -> tuple[Any, list[Any], Any]:
    class Owner(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        objects = Nobody()

        class Meta:
            app_label = "tests"
            base_manager_name = "objects"

    return Owner, [Owner], Owner()


def address() -> tuple[Any, list[Any], Any]:
    class Owner(models.Model):
        email = models.EmailField(primary_key=True)

        class Meta:
            app_label = "tests"

    return Owner, [Owner], Owner(email="ada@example.com")


def inherited() -> tuple[Any, list[Any], Any]:
    class Person(models.Model):
        name = models.CharField(max_length=20)
        born = models.DateTimeField()

        class Meta:
            app_label = "tests"

    class Owner(Person):
        salary = models.DecimalField(max_digits=8, decimal_places=2)

        class Meta:
            app_label = "tests"

    return Owner, [Person, Owner], Owner(name="Ada", born=NOON, salary=Decimal("12.50"))


def proxy() -> tuple[Any, list[Any], Any]:
    class Person(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

    class Owner(Person):
        class Meta:
            app_label = "tests"
            proxy = True

    return Owner, [Person], Owner(name="Ada")


def remembering() -> tuple[Any, list[Any], Any]:
    class Owner(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "tests"

        @classmethod
        def from_db(cls, db: Any, field_names: Any, values: Any, **more: Any) -> Any:
            found = super().from_db(db, field_names, values, **more)
            found.loaded = dict(zip(field_names, values, strict=True))  # type: ignore[attr-defined]
            return found

    return Owner, [Owner], Owner(name="Ada")


def converted() -> tuple[Any, list[Any], Any]:
    class Owner(models.Model):
        secret = Sealed(max_length=40)
        empty = Sealed(max_length=40, null=True)
        options = models.JSONField()
        lasting = models.DurationField()
        born = models.DateTimeField()
        day = models.DateField()
        hour = models.TimeField()
        key = models.UUIDField()
        price = models.DecimalField(max_digits=8, decimal_places=2)
        active = models.BooleanField()
        data = models.BinaryField()
        address = models.GenericIPAddressField()
        share = models.FloatField(db_column="the share")

        class Meta:
            app_label = "tests"
            db_table = "owners-of-tickets"

    return (
        Owner,
        [Owner],
        Owner(
            secret="tea",  # noqa: S106 - what the column must not show
            options={"a": [1, None]},
            lasting=datetime.timedelta(hours=1, microseconds=5),
            born=NOON,
            day=NOON.date(),
            hour=NOON.time(),
            key=uuid.UUID(int=5),
            price=Decimal("9.90"),
            active=True,
            data=b"\x00\xff",
            address="2001:db8::1",
            share=0.5,
        ),
    )


def by_another_column() -> tuple[Any, list[Any], Any]:
    class Owner(models.Model):
        number = models.PositiveIntegerField(unique=True)

        class Meta:
            app_label = "tests"

    return Owner, [Owner], Owner(number=7)


KINDS = [number, unique_id_and_manager, address, inherited, proxy, remembering, converted, by_another_column]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_row_and_owner_are_those_of_the_plain_query(
    kind: Callable[[], tuple[Any, list[Any], Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with isolate_apps("tests"):
        model, tables, owner = kind()
        ticket = ticket_of(model, to_field="number" if kind is by_another_column else None)
        with tables_of([*tables, ticket]):
            owner.save()
            ticket.objects.create(code="a", owner=owner)
            ticket.objects.create(code="b", owner=None)
            rows = ticket.objects.select_related("owner")
            lookup = CompiledLookup(rows, "code")

            for code in ("a", "b", "a"):
                expected = state_of(rows.get(code=code))
                with CaptureQueriesContext(connection) as captured:
                    found: Any = lookup.find(code, using="default")
                    assert state_of(found) == expected
                    assert (found.owner is None) == (code == "b")
                assert len(captured.captured_queries) == 1
            assert lookup.find("c", using="default") is None
            assert caplog.messages == []


def test_a_value_that_a_field_cannot_read_is_an_error_of_the_project(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with isolate_apps("tests"):
        model, tables, owner = converted()
        ticket = ticket_of(model)
        with tables_of([*tables, ticket]):
            owner.save()
            ticket.objects.create(code="a", owner=owner)
            lookup = CompiledLookup(ticket.objects.select_related("owner"), "code")
            Sealed.readable = False
            try:
                with pytest.raises(ValueError, match="cannot be read"):
                    lookup.find("a", using="default")
            finally:
                Sealed.readable = True

            with CaptureQueriesContext(connection) as captured:
                assert lookup.find("a", using="default") is not None
            assert len(captured.captured_queries) == 1
            assert caplog.messages == []  # the compiled query stays in use


def ticket_of(model: Any, to_field: str | None = None) -> Any:
    """The model of tickets of that kind of owner."""

    class Ticket(models.Model):
        code = models.CharField(max_length=40, unique=True)
        sold_on = models.DateTimeField(default=NOON)
        owner = models.ForeignKey(model, models.CASCADE, null=True, to_field=to_field)

        class Meta:
            app_label = "tests"

    return Ticket


@contextmanager
def tables_of(kinds: list[Any]) -> Iterator[None]:
    """Make the tables of models that belong to no application."""
    with connection.schema_editor() as editor:
        for model in kinds:
            editor.create_model(model)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for model in reversed(kinds):
                editor.delete_model(model)
