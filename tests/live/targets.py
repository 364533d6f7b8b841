"""The control planes that the suite runs on: started, reached, stopped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.live.choices import Choices
from tests.live.table import Table
from tests.support.moto import running_moto
from tests.support.places import Place
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

DOMAIN = "live.example.com"
IDLE_SECONDS = 8.0
"""Of the local gateway; 600 on AWS."""


@dataclass(frozen=True)
class Target:
    """A running control plane."""

    name: str
    choices: Choices
    table: Table
    endpoint_url: str | None
    """None: AWS itself."""
    region: str
    place: Place | None
    """The custom domain that may be tried; None where none was given."""
    handle: GatewayHandle | None = None

    @property
    def has_logs(self) -> bool:
        """Whether access logs and log levels can be tried: on AWS they need a log group and a role."""
        return self.name != "aws" or bool(self.choices.log_group)

    def client(self, service: str, endpoint_url: str | None = None) -> Any:
        """boto3's own client, which repeats what was throttled."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=self.region,
            endpoint_url=endpoint_url or self.endpoint_url,
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
        )


@contextmanager
def running(name: str, choices: Choices) -> Iterator[Target]:
    """The target of that name, for the length of a `with` block."""
    if name == "aws":
        hidden = (choices.public_url.rpartition("//")[2], choices.domain)
        yield Target(
            name=name,
            choices=choices,
            table=Table(name, choices.region, hidden),
            endpoint_url=None,
            region=choices.region,
            place=_given_place(choices),
        )
        return
    with pytest.MonkeyPatch.context() as patch:
        _fake_account(patch)
        with _stand_in(name, choices, patch) as target:
            yield target


def _given_place(choices: Choices) -> Place | None:
    if not choices.domain:
        return None
    return Place(
        name=choices.domain,
        certificate_arn=choices.certificate,
        zone_id=choices.zone,
        route53=boto3.client("route53", region_name=choices.region),
    )


def _fake_account(patch: pytest.MonkeyPatch) -> None:
    for variable in [key for key in os.environ if key.startswith("AWS_")]:
        patch.delenv(variable)
    for variable, value in FAKE.items():
        patch.setenv(variable, value)


FAKE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def _stand_in(name: str, choices: Choices, patch: pytest.MonkeyPatch) -> Iterator[Target]:
    with running_moto() as moto:
        place = Place(
            name=DOMAIN,
            certificate_arn=moto.import_certificate("*.example.com"),
            import_certificate=moto.import_certificate,
            zone_id=moto.create_zone("example.com"),
            route53=moto.route53,
        )
        for service in ("ACM", "ROUTE_53"):
            patch.setenv(f"AWS_ENDPOINT_URL_{service}", moto.url)

        def target(endpoint_url: str, handle: GatewayHandle | None = None) -> Target:
            return Target(
                name=name,
                choices=choices,
                table=Table(name, "eu-west-1"),
                endpoint_url=endpoint_url,
                region="eu-west-1",
                place=place,
                handle=handle,
            )

        if name == "local":
            with local_gateway(idle_timeout=IDLE_SECONDS) as handle:
                yield target(handle.endpoint_url, handle)
        elif name == "moto":
            yield with_log_role(target(moto.url))
        else:
            with _ministack(choices.ministack) as url:
                yield with_log_role(target(url))


def with_log_role(target: Target) -> Target:
    """The target, after it was given API Gateway's CloudWatch role, as the account of a user has it."""
    role = {"op": "replace", "path": "/cloudwatchRoleArn", "value": "arn:aws:iam::123456789012:role/logs"}
    target.client("apigateway").update_account(patchOperations=[role])
    return target


@contextmanager
def _ministack(program: str) -> Iterator[str]:
    found = shutil.which(program)
    assert found, f"MiniStack is not installed: {program} is missing (python -m tests.live says how)"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "apigateway",
        "MINISTACK_REGION": "eu-west-1",
    }
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("w") as log:
        process = subprocess.Popen(
            [str(Path(found).absolute())], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, "MiniStack ended at once"
            assert time.monotonic() < deadline, "MiniStack did not start within 60 s"
            time.sleep(0.2)
