"""What every test starts from: no AWS account in reach, empty caches, one hypothesis profile."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

from tests.support.service_models import read_once
from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.receiving.limits import forget_known_keys
from websocket_gateway.security_log import forget_windows

pytest_plugins = ["websocket_gateway.testing.fixtures", "websocket_gateway.testing.gateway"]

# Examples of one fuzz test; there are several, so that a whole run makes some hundred by default
# and at least 20,000 under `HYPOTHESIS_PROFILE=ci`.
_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("default", max_examples=60, **_COMMON)  # type: ignore[arg-type]
settings.register_profile("ci", max_examples=5_000, **_COMMON)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Ten seconds and more.
_SLOW = (
    "test_killed_",
    "test_demo",
    "test_shell_blocks",
    "test_concurren",
    "test_task_queues",
    "test_engines",
    "test_forking",
    "test_custom_domain",
    "test_create_gateway",
    "test_chaos",
    "test_queued",
    "test_testing",
    "test_moving_a_project",
    "test_sample_tests",
    "test_browsers_",
    "test_browser_chat",
    "test_command",
    "test_check_ws_settings",
)
_UNWANTED = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands under test, also where a shell started the suite in the background.

    Such a shell has SIGINT ignored, and every child inherits that.
    """
    read_once()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: not item.path.stem.startswith(_SLOW))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """pytest-django's test database, which is emptied in less time."""
    # Not at the top: Django is not set up yet when pytest loads this file.
    from tests.support.flushing import rows_put_back

    with ExitStack() as stack:
        with django_db_blocker.unblock():
            stack.enter_context(rows_put_back())
        yield


@pytest.fixture(autouse=True)
def no_aws_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give boto3 fake keys and a region, and nothing of the developer's own configuration."""
    for name in _UNWANTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def empty_process_caches() -> None:
    """Forget what the process remembers of earlier tests: rows that were rolled back, records of refusals."""
    forget_gateways()
    forget_known_keys()
    forget_windows()


@pytest.fixture
def lock() -> Iterator[sqlite3.Connection]:
    """Another process's connection to the SQLite file, to lock it; the test's own does not wait for that."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    yield other
    other.close()
    connection.close()


@pytest.fixture
def within_one_minute() -> None:
    """Begin early in a minute: windows are aligned to the clock, who counts must not meet the next one."""
    left = 60 - time.time() % 60
    if left < 20:
        time.sleep(left + 0.1)
