"""The targets that the environment chooses, one after the other, each with its table."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.choices import PREFIX, read_choices
from tests.live.gateways import Gateway, sweep
from tests.live.table import Table
from tests.live.targets import Target, running
from websocket_gateway.aws.clients import forget_clients

CHOICES = read_choices({} if not os.environ.get(PREFIX) else None)
# Without a target nothing is collected: not even a skip shows up in a run that did not ask for this suite.
collect_ignore_glob = [] if CHOICES.targets else ["test_on_*.py"]
_TABLES = pytest.StashKey[list[Table]]()


@pytest.fixture(autouse=True)
def no_aws_account(request: pytest.FixtureRequest) -> None:
    """Keep the developer's own account where the target is AWS; `target` sets fake keys elsewhere."""


@pytest.fixture(scope="session", params=CHOICES.targets)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A running target."""
    with running(request.param, CHOICES) as started:
        request.config.stash.setdefault(_TABLES, []).append(started.table)
        forget_clients()
        yield started
    forget_clients()


@pytest.fixture(scope="session")
def gateway(target: Target) -> Iterator[Gateway]:
    """The gateway of this run; everything of it is deleted in the end, also after a failure."""
    sweep(target)
    made = Gateway(target, "live-gateway")
    yield made
    sweep(target, uuid=made.uuid)


@pytest.fixture(scope="session")
def domain_gateway(target: Target) -> Iterator[Gateway]:
    """Another one, with a custom domain where one may be tried."""
    made = Gateway(target, "live-domain", place=target.place)
    yield made
    sweep(target, uuid=made.uuid)


@pytest.fixture(autouse=True)
def configured(request: pytest.FixtureRequest, settings: Any) -> None:
    """Let the package use the target."""
    for name in ("gateway", "domain_gateway"):
        if "target" in request.fixturenames and name in (*request.fixturenames, "gateway"):
            request.getfixturevalue(name).configure(settings)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print every table, and where its file is."""
    for table in config.stash.get(_TABLES, []):
        if table.rows:
            terminalreporter.write_line("")
            for line in table.render():
                terminalreporter.write_line(line)
            terminalreporter.write_line(f"\n{table.summary}. Written to {table.write(CHOICES.report)}")
