"""The page about Celery and RQ, typed as printed: real brokers, workers that are killed at random."""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import Block, blocks_of, read
from tests.sending.test_task_queues import (
    PATIENCE_SECONDS,
    RECIPIENTS,
    REDIS,
    ROOT,
    Project,
    begin,
    check,
    children,
    kill_with_children,
    wait_until,
)
from tests.sink import Sink

AMQP = os.environ.get("WEBSOCKET_GATEWAY_TEST_AMQP")
KILLS = 4
BROKERS = [
    pytest.param(REDIS, id="redis", marks=pytest.mark.skipif(not REDIS, reason="no Redis is named")),
    pytest.param(AMQP, id="rabbitmq", marks=pytest.mark.skipif(not AMQP, reason="no RabbitMQ is named")),
]


def files_of(page: str) -> dict[str, str]:
    """The files that the page prints, by name; of two with one name the first."""
    text = read(page).splitlines()
    found: dict[str, str] = {}
    for block in blocks_of(page, "python"):
        named = [re.search(r"`(project/\w+\.py)`", line) for line in text[block.line - 4 : block.line - 1]]
        for match in filter(None, named):
            found.setdefault(match[1], block.text)
    return found


class PrintedProject(Project):
    """A project made of the page's files, on a broker, with a queue of its own."""

    def __init__(self, tmp_path: Path, broker: str, *, tasks: str | None = None) -> None:
        super().__init__(tmp_path, "database")
        self.queue = f"test-{uuid.uuid4()}"
        folder = tmp_path / "project"
        folder.mkdir()
        files = files_of("task_queues.md")
        settings = files.pop("project/settings.py")
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        if tasks is not None:
            (folder / "tasks.py").write_text(tasks)
            (folder / "__init__.py").write_text("")
        (folder / "settings.py").write_text(
            "from tests.support.queues.settings import *\n"
            f"{settings}\n"
            f"del TASKS\nCELERY_BROKER_URL = {broker!r}\nCELERY_TASK_DEFAULT_QUEUE = {self.queue!r}\n"
            f"INSTALLED_APPS += ['django_rq']\nRQ_QUEUES = {{'default': {{'URL': {broker!r}}}}}\n"
            "CELERY_BEAT_SCHEDULE['purge-connections']['schedule'] = 1\n"
        )
        self._environment |= {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self._folder = tmp_path

    def start(self, command: str, *more: str) -> subprocess.Popen[bytes]:
        """Start a command of the page."""
        return subprocess.Popen(
            [*shlex.split(command), *more],
            cwd=self._folder,
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def close(self) -> None:
        """Close the log of the workers."""
        self._log.close()

    def log(self) -> str:
        """What the workers have printed."""
        return (self._folder / "workers.log").read_text()


def command(beginning: str) -> str:
    """The line of the page that begins so."""
    lines = [line for block in blocks_of("task_queues.md", "text") for line in block.text.splitlines()]
    (found,) = {line for line in lines if line.startswith(beginning)}
    return found


@contextmanager
def ending(project: PrintedProject, running: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Kill at the end what is in the list then."""
    try:
        yield
    finally:
        for one in running:
            kill_with_children(one)
        project.close()


@pytest.mark.parametrize("broker", BROKERS)
def test_workers_of_celery_are_killed_at_random_and_no_recipient_is_left_out(
    tmp_path: Path, sink: Sink, broker: str
) -> None:
    project = PrintedProject(tmp_path, broker)
    number = begin(project, sink)
    worker = command("celery -A project worker")
    workers = [project.start(worker) for _ in range(2)]

    with ending(project, workers):
        for kill in range(1, KILLS + 1):
            goal = kill * RECIPIENTS // (KILLS + 2)
            wait_until(partial(has, sink, goal), f"{goal} had it")
            victim = random.choice(workers)
            pool = children(victim.pid)
            if pool and random.random() < 0.5:
                os.kill(random.choice(pool), 9)  # the process that sends; Celery starts another one
            else:
                kill_with_children(victim)
                workers.remove(victim)
                workers.append(project.start(worker))
        wait_until(lambda: everyone(project, sink, number), "everyone had it")
        check(project, sink, number, killed=KILLS * 2)


def has(sink: Sink, number: int) -> bool:
    """Whether so many have it."""
    return len(sink.received) >= number


def everyone(project: Project, sink: Sink, number: int) -> bool:
    """Whether everyone has it; what cron does every five minutes is done now and then."""
    if len(sink.received) < RECIPIENTS:
        project.python("django", "broadcast", "--status", str(number))
        time.sleep(1)
    return len(sink.received) == RECIPIENTS


@pytest.mark.parametrize("broker", BROKERS)
def test_the_clock_of_celery_purges(tmp_path: Path, sink: Sink, broker: str) -> None:
    project = PrintedProject(tmp_path, broker)
    project.python("tests.support.queues.populate", str(sink.port), "1")
    running = [project.start(command("celery -A project worker"), "--loglevel", "INFO")]
    running.append(project.start(command("celery -A project beat"), "--schedule", str(tmp_path / "beat")))

    with ending(project, running):
        wait_until(
            lambda: re.search(r"Task project\.tasks\.purge_connections\[\S+\] succeeded", project.log()),
            "the clock has purged",
        )
    assert "unregistered" not in project.log()


@pytest.mark.skipif(not REDIS, reason="no Redis is named")
def test_rq_runs_a_function_without_a_backend(tmp_path: Path, sink: Sink) -> None:
    (block,) = (item for item in blocks_of("task_queues.md", "python") if "django_rq" in item.text)
    project = PrintedProject(tmp_path, str(REDIS), tasks=block.text.replace('"default"', "QUEUE"))
    tasks = tmp_path / "project" / "tasks.py"
    tasks.write_text(f"QUEUE = {project.queue!r}\n{tasks.read_text()}")
    with (tmp_path / "project" / "settings.py").open("a") as settings:
        settings.write(f"RQ_QUEUES[{project.queue!r}] = RQ_QUEUES['default']\n")
    number = begin(project, sink)

    with project.workers(2, "rqworker", project.queue):
        wait_until(lambda: len(sink.received) == RECIPIENTS, "everyone had it")
        check(project, sink, number, killed=0)


def test_every_file_of_the_page_is_used() -> None:
    assert sorted(files_of("task_queues.md")) == [
        f"project/{name}.py" for name in ("__init__", "celery", "settings", "tasks")
    ]
    assert [block for block in _python() if not block.text.strip()] == []
    assert PATIENCE_SECONDS > 60


def _python() -> list[Any]:
    found: list[Block] = blocks_of("task_queues.md", "python")
    return found
