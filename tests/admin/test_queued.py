"""A plan that a worker carries out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_with_a_task_queue_a_worker_carries_the_plan_out(tmp_path: Path) -> None:
    pytest.importorskip("django_tasks_db")
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.support.queues.settings",
        "WEBSOCKET_GATEWAY_TEST_QUEUE": "database",
        "WEBSOCKET_GATEWAY_TEST_DATABASE": "sqlite",
        "WEBSOCKET_GATEWAY_TEST_NAME": str(tmp_path / "queue.sqlite3"),
    }

    ended = subprocess.run(
        [sys.executable, "-m", "tests.admin.queued"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.stdout.split("\n") == ["queued: True True", "before: False", "after: True "], ended.stderr
