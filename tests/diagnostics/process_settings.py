"""Settings of a process that runs the command: the test suite's, with what a test wants otherwise."""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from tests.settings import *  # noqa: F403

globals().update(json.loads(os.environ.get("WEBSOCKET_GATEWAY_TEST_OVERRIDES", "{}")))


def _hang(*args: Any, **kwargs: Any) -> Any:
    time.sleep(120)


if os.environ.get("WEBSOCKET_GATEWAY_TEST_HANGING_RESOLVER"):
    socket.getaddrinfo = _hang
