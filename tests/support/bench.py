"""A local gateway behind a proxy that kills, and commands in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.support.forks import Commands, commands
from tests.support.proxy import KillingProxy, Moment, killing_proxy
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway


@dataclass(frozen=True)
class Bench:
    """What the tests of killed commands work with."""

    commands: Commands
    proxy: KillingProxy
    gateway: GatewayHandle
    aws: Any
    """boto3's own client, past the proxy."""

    def run(self, *argv: str) -> tuple[int, str]:
        """Run a command that nobody disturbs."""
        self.proxy.disarm()
        return self.commands.run(*argv)

    def run_and_die(self, call: int, moment: Moment, *argv: str) -> tuple[int, str]:
        """Run a command that is killed at that call."""
        self.proxy.arm(call, moment)
        self.proxy.aim(self.commands.start(*argv))
        return self.commands.wait()

    def served_routes(self, api_id: str) -> set[str]:
        """The route keys that the only stage's deployment serves."""
        record = self.gateway.gateway.store.apis[api_id]
        (stage,) = record.stages.values()
        return set(record.snapshots[stage["deploymentId"]]["routes"])


@contextmanager
def open_bench(directory: Path) -> Iterator[Bench]:
    """A bench for the length of a `with` block; the environment's AWS settings must be fake ones."""
    assert os.environ["AWS_ACCESS_KEY_ID"] == "testing"
    with ExitStack() as stack:
        gateway = stack.enter_context(local_gateway(deployment_seconds=0.15))
        proxy = stack.enter_context(killing_proxy(gateway.port))
        children = stack.enter_context(commands(directory, endpoint_url=proxy.url))
        aws = boto3.client("apigatewayv2", endpoint_url=gateway.endpoint_url)
        yield Bench(commands=children, proxy=proxy, gateway=gateway, aws=aws)
