"""The end of a run is noted although others write at that moment."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from django.db import connection

from websocket_gateway.last_runs import PURGE, note_run
from websocket_gateway.models import LastRun

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite locks its whole file"),
]


def test_it_waits_for_another_process_that_is_writing() -> None:
    note_run(PURGE)
    other = sqlite3.connect(
        str(connection.settings_dict["NAME"]), isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")

    def end() -> None:
        time.sleep(0.3)
        other.execute("COMMIT")

    thread = threading.Thread(target=end)
    thread.start()
    note_run(PURGE, found=1)
    thread.join()
    other.close()

    assert LastRun.objects.get(name=PURGE).found == 1


def test_the_first_run_is_noted_as_well() -> None:
    note_run(PURGE, found=1)

    assert LastRun.objects.get(name=PURGE).found == 1
