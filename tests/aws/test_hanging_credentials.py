"""A program that gives credentials and then hangs: what other threads do meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.support.rawsink import RawSink
from websocket_gateway.aws import clients
from websocket_gateway.aws.connections import get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint

SOON = 20.0
"""A thread that waits for the program takes longer than this, one that does not is much faster."""


class Program:
    """Numbers its keys, and hangs from call `hangs_at` on until it is released."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "program.sh"

    def write(self, *, hangs_at: int, valid: timedelta) -> None:
        expiration = (datetime.now(tz=timezone.utc) + valid).isoformat()
        printed = {"Version": 1, "AccessKeyId": "KEY'$number'", "SecretAccessKey": "s", "SessionToken": "t"}
        self.path.write_text(
            f"echo x >> {self._folder}/calls\n"
            f"number=$(wc -l < {self._folder}/calls | tr -d ' ')\n"
            f"if [ $number -ge {hangs_at} ]; then\n"
            f"  while [ ! -e {self._folder}/release ]; do sleep 0.05; done\n"
            "fi\n"
            f"echo '{json.dumps(printed | {'Expiration': expiration})}'\n"
        )

    @property
    def calls(self) -> int:
        calls = self._folder / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    def wait_for_call(self, number: int) -> None:
        deadline = time.monotonic() + 20
        while self.calls < number:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def release(self) -> None:
        (self._folder / "release").touch()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    made = Program(tmp_path)
    config = tmp_path / "config"
    config.write_text(f"[profile sso]\nregion = eu-south-1\ncredential_process = sh {made.path}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with override_settings(AWS_IAM_PROFILE="sso"):
        clients.forget_clients()
        yield made
        made.release()
    clients.forget_clients()


def in_thread(work: Callable[[], Any]) -> Future[Any]:
    """Begin `work` in a thread that may outlive the test."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as exc:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(exc)

    threading.Thread(target=run, daemon=True).start()
    return future


def test_while_credentials_are_renewed_other_threads_go_on_with_the_old_ones(
    program: Program, sink: RawSink
) -> None:
    # Valid for five minutes: boto3 renews them at every use, and makes every thread wait for that.
    program.write(hangs_at=3, valid=timedelta(minutes=5))
    assert clients.current_credentials().access_key == "KEY2"
    connections, other = get_connections(), ManagementEndpoint(sink.endpoint.url + "/other", "eu-west-1")

    renewing = in_thread(clients.current_credentials)
    program.wait_for_call(3)

    assert in_thread(clients.current_credentials).result(SOON).access_key == "KEY2"
    assert in_thread(clients.resolve_region).result(SOON) == "eu-south-1"
    assert in_thread(lambda: clients.partition_of("cn-north-1")).result(SOON) == "aws-cn"
    for endpoint in (sink.endpoint, other):
        in_thread(partial(connections.post, endpoint, "a=", b"hello")).result(SOON)
    assert [("Credential=KEY2/" in head) for head, _ in sink.requests] == [True, True]
    assert not renewing.done()

    program.release()
    assert renewing.result(20).access_key == "KEY3"


def test_while_the_first_credentials_are_loaded_other_threads_learn_their_region(program: Program) -> None:
    program.write(hangs_at=1, valid=timedelta(hours=5))

    loading = [in_thread(clients.current_credentials) for _ in range(3)]
    building = in_thread(lambda: clients.control_plane_client("eu-west-1"))
    program.wait_for_call(1)

    assert in_thread(clients.resolve_region).result(SOON) == "eu-south-1"
    assert in_thread(lambda: clients.config_variable("region")).result(SOON) == "eu-south-1"
    assert in_thread(lambda: clients.partition_of("eu-west-1")).result(SOON) == "aws"
    assert not building.done()

    program.release()
    assert [future.result(20).access_key for future in loading] == ["KEY1"] * 3
    assert building.result(20).meta.region_name == "eu-west-1"
    assert program.calls == 1


def test_threads_without_valid_credentials_wait_for_new_ones(program: Program) -> None:
    program.write(hangs_at=2, valid=timedelta(minutes=5))
    clients.control_plane_client("eu-west-1")

    first = in_thread(clients.current_credentials)
    program.wait_for_call(2)
    second = in_thread(clients.current_credentials)

    with pytest.raises(FutureTimeoutError):  # a TimeoutError from Python 3.11 on
        second.result(0.3)
    program.release()
    assert {first.result(20).access_key, second.result(20).access_key} <= {"KEY2", "KEY3"}
