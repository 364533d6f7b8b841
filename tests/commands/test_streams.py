"""Readers that leave, disks that are full, terminals without letters, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error, InterfaceError, OperationalError, connection

from tests.factories import ApiGatewayFactory
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.management.streams import SteadyStream
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/")


@contextmanager
def pipe_that_nobody_reads() -> Iterator[io.TextIOBase]:
    reader, writer = os.pipe()
    os.close(reader)
    stream: Any = os.fdopen(writer, "w", encoding="utf-8")
    yield stream
    with suppress(BrokenPipeError):
        stream.close()


@pytest.mark.django_db(transaction=True)
def test_a_gateway_is_finished_although_the_reader_of_its_report_has_gone(
    django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pipe_that_nobody_reads() as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        call_command(*CREATE)

    gateway = ApiGateway.objects.get()
    assert (gateway.api_created, bool(gateway.deployment_id), gateway.lease_holder) == (True, True, "")


@pytest.mark.django_db(transaction=True)
def test_a_gateway_is_finished_although_stdout_was_closed_from_the_start(
    django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    call_command(*CREATE)

    assert ApiGateway.objects.get().api_created


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_told_of_after_the_work_is_done(
    django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    full: Any = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - its closing fails
    monkeypatch.setattr(sys, "stdout", full)

    with pytest.raises(CommandError, match="could not be written: No space left on device"):
        call_command(*CREATE)

    assert ApiGateway.objects.get().api_created
    with suppress(OSError):
        full.close()


def test_letters_that_the_stream_lacks_are_escaped_so_that_json_stays_json() -> None:
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    report = {"gateway": "d\u00e9j\u00e0 \u2603 \U0001f389"}

    SteadyStream(ascii_only).write(json.dumps(report, ensure_ascii=False))

    assert json.loads(raw.getvalue()) == report


def test_every_line_is_there_at_once_and_not_only_at_the_end() -> None:
    raw = io.BytesIO()
    buffered = io.TextIOWrapper(raw, encoding="utf-8")

    SteadyStream(buffered).write("+ Created api chat\n")

    assert raw.getvalue() == b"+ Created api chat\n"


class Interrupted(GatewayCommand):
    """Somebody presses Ctrl-C."""

    def handle(self, *args: Any, **options: Any) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_is_one_line_and_the_status_that_shells_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Interrupted(no_color=True).run_from_argv(["manage.py", "interrupted"])

    assert ended.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ["\x04", "\n", "no\n", "ja\n"])
def test_whoever_does_not_say_yes_changes_nothing(
    answer: str, django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    ApiGatewayFactory.create(api_name="chat")
    keyboard, terminal = os.openpty()
    with os.fdopen(terminal, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        os.write(keyboard, answer.encode())

        with pytest.raises(CommandError, match=r"^Nothing was changed\.$"):
            call_command("delete_gateway", "chat", stderr=io.StringIO())

    os.close(keyboard)
    assert ApiGateway.objects.count() == 1


@pytest.mark.django_db
def test_an_argument_that_is_no_text_is_named() -> None:
    with pytest.raises(CommandError, match="holds bytes that are not text here"):
        call_command("create_gateway", "caf\udce9")


class Asking(GatewayCommand):
    """Asks a table that is not there."""

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM not_migrated_yet")


class Refused(GatewayCommand):
    """Gets an error from the database."""

    error: Error

    def handle(self, *args: Any, **options: Any) -> None:
        raise self.error


@pytest.mark.django_db
def test_a_missing_table_is_told_with_what_makes_it() -> None:
    with pytest.raises(CommandError, match="not_migrated_yet.*Has `manage.py migrate` been run"):
        call_command(Asking())


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OperationalError("database is locked"), "The database is busy: .*Run the command again"),
        (OperationalError("attempt to write a readonly database"), "Is it running and writable"),
        (OperationalError("connection refused\n\tIs it up?"), "refused Is it up. Is it running and writable"),
        (OperationalError(1054, "Unknown column 'x'"), "Has `manage.py migrate` been run"),
        (InterfaceError("connection already closed"), "Is it running and writable"),
    ],
)
def test_what_the_database_refuses_is_told_with_the_advice_that_fits(error: Error, advice: str) -> None:
    command = Refused()
    command.error = error

    with pytest.raises(CommandError, match=advice) as caught:
        call_command(command)

    assert "\n" not in str(caught.value)
