"""Settings with a queue: `WEBSOCKET_GATEWAY_TEST_QUEUE` is `database`, or names an RQ queue on Redis."""

from __future__ import annotations

import os
from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS

_QUEUE = os.environ["WEBSOCKET_GATEWAY_TEST_QUEUE"]
WEBSOCKET_GATEWAY: dict[str, Any] = {}
INSTALLED_APPS = [*_APPS, "tests.support.queues.apps.QueuesConfig"]
if _QUEUE == "database":
    INSTALLED_APPS += ["django_tasks_db"]
    TASKS: dict[str, Any] = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
else:
    INSTALLED_APPS += ["django_rq"]
    RQ_QUEUES = {_QUEUE: {"URL": os.environ["WEBSOCKET_GATEWAY_TEST_REDIS"]}}
    RQ_QUEUES["default"] = RQ_QUEUES[_QUEUE]
    TASKS = {"default": {"BACKEND": "django_tasks_rq.RQBackend", "QUEUES": [_QUEUE]}}
    WEBSOCKET_GATEWAY["TASK_QUEUE"] = _QUEUE
