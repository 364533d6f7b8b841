"""A WSGI application that sends when it is imported, and that a server imports before it forks its workers.

`GET /CHANNEL` sends to that channel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import django
from django.db import connections

django.setup()

from tests.support.forking import send  # noqa: E402 - after Django is set up

imported = send("warm", engine="boto3")
connections.close_all()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send, and answer with what the report says."""
    sent = send(environ["PATH_INFO"].strip("/"))
    connections.close_all()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({**sent, "imported_by": imported["pid"]}).encode()]
