"""A soak on PostgreSQL: see `tests.support.soaking`.

`WEBSOCKET_GATEWAY_TEST_SOAK` is its length in seconds; `WEBSOCKET_GATEWAY_TEST_SEED` repeats the choices of
an earlier one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.support.private_postgresql import binaries, private_postgresql
from tests.support.served import ROOT

SECONDS = float(os.environ.get("WEBSOCKET_GATEWAY_TEST_SOAK", "0"))
SEED = os.environ.get("WEBSOCKET_GATEWAY_TEST_SEED") or str(time.time_ns() % 10**6)

pytestmark = [
    pytest.mark.skipif(not SECONDS, reason="takes minutes: set WEBSOCKET_GATEWAY_TEST_SOAK, in seconds"),
    pytest.mark.skipif(binaries() is None, reason="needs a PostgreSQL server"),
]


def test_clients_meet_no_double_no_disorder_and_no_gap_untold() -> None:
    command = [sys.executable, "-m", "tests.support.soaking", str(SECONDS), SEED]
    with private_postgresql() as server:
        settings = {"DJANGO_SETTINGS_MODULE": "tests.support.served_settings"}
        environment = {**os.environ, **server.environment, **settings}
        soak = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2):
            time.sleep(SECONDS / 3)
            server.restart()
        printed = soak.communicate(timeout=SECONDS + 300)[0]

    assert soak.returncode == 0, printed
    told = json.loads(printed)
    happened, memory = told["happened"], [megabytes for _, megabytes in told["rss_mb"]]
    sys.__stderr__.write(  # type: ignore[union-attr]
        f"\nWEBSOCKET_GATEWAY_TEST_SEED={SEED}, {SECONDS:.0f} s: {happened}; "
        f"MB a worker at the start, in the middle, at the end: {memory}\n"
    )
    assert told["faults"] == []
    assert min(happened[event] for event in ("cut", "deploys", "purges", "published", "delivered")) > 0
    assert memory[-1] <= memory[0] * 1.2 + 10
