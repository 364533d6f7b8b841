"""Our project behind a local gateway of its own process, for comparisons over sockets."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from django.core.management import call_command
from django.test.utils import override_settings

from tests.benchmarks.processes import server
from tests.factories import ApiGatewayFactory
from tests.support.served import free_port
from websocket_gateway.connections import find_socket_url
from websocket_gateway.models import ApiGateway

AWS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}
ORIGIN = "https://www.example.com"


@contextmanager
def gateway_to(backend_port: int) -> Iterator[tuple[ApiGateway, str, Popen[bytes]]]:
    """A gateway whose events go to that port: its row, the URL of its sockets, its process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state.json"
        command = [
            sys.executable,
            "-m",
            "django",
            "run_local_gateway",
            f"--port={port}",
            f"--state={state}",
            "-v0",
        ]
        with (
            server(command, port=port, DJANGO_SETTINGS_MODULE="tests.settings") as process,
            override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": f"http://127.0.0.1:{port}"}),
        ):
            row = ApiGatewayFactory.create(
                planned=True,
                api_name="benchmark",
                region_name="",
                target_base_endpoint=f"http://127.0.0.1:{backend_port}/ws/",
            )
            call_command("create_gateway", "benchmark", verbosity=0, stdout=io.StringIO())
            row.refresh_from_db()
            yield row, find_socket_url(row), process
