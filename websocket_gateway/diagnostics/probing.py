"""Everything that can be found out about a project, in a time that is known beforehand.

Name resolution has no time-out, and a database may hang as well. So whatever asks anybody runs in
a child process, which is ended when its time is over; what had not answered by then is named.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import IO, Any

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, run_checks

from websocket_gateway.checks.messages import TAG
from websocket_gateway.diagnostics import Finding
from websocket_gateway.diagnostics.findings import error
from websocket_gateway.exceptions import GatewayNotFoundError

PROBING_SECONDS = 7
"""For all probes together, with the child's start; `check_ws_settings` promises ten for everything."""

_CHILD = "import django; django.setup(); from websocket_gateway.diagnostics.child import main; main()"
_UNREADABLE = f"{TAG}.E001"


@dataclass(slots=True, kw_only=True)
class Diagnosis:
    """What was found out."""

    facts: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def count(self, level: str) -> int:
        """How many findings are of this level, `error` or `warning`."""
        return sum(finding.level == level for finding in self.findings)


def diagnose(
    *,
    gateways: Sequence[str] = (),
    live: bool = False,
    deploy: bool = False,
    seconds: float = PROBING_SECONDS,
) -> Diagnosis:
    """The static checks, what database and rows tell, and with `live` what AWS and the network tell.

    `gateways` are the names of those to look at; all of them without any. Raises
    `GatewayNotFoundError` for a name that no row has. Silenced findings are left out.
    """
    diagnosis = Diagnosis()
    messages = run_checks(tags=[TAG], include_deployment_checks=deploy)
    diagnosis.findings += [from_check(message) for message in messages if not message.is_silenced()]
    if not any(message.id == _UNREADABLE for message in messages):
        _probe(diagnosis, {"gateways": list(gateways), "live": live}, seconds)
    silenced = set(settings.SILENCED_SYSTEM_CHECKS)
    diagnosis.findings = [finding for finding in diagnosis.findings if finding.id not in silenced]
    return diagnosis


def from_check(message: CheckMessage, *, gateway: str = "") -> Finding:
    """A message of Django's checks as a finding."""
    level = "error" if message.level >= ERROR else "warning"
    return Finding(
        level=level, id=message.id or "", message=message.msg, hint=message.hint or "", gateway=gateway
    )


def _probe(diagnosis: Diagnosis, request: dict[str, Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryFile("w+") as errors:
        with _child(request, errors) as said:
            answers, done = _listen(said, deadline)
        for answer in filter(None, answers.values()):
            diagnosis.facts += answer["facts"]
            diagnosis.findings += [Finding(**finding) for finding in answer["findings"]]
        if done:
            return
        if time.monotonic() >= deadline:
            late = [name for name, answer in answers.items() if answer is None]
            diagnosis.findings += _unanswered(late, seconds)
        else:
            diagnosis.findings.append(_broken(errors))


@contextmanager
def _child(request: dict[str, Any], errors: IO[str]) -> Iterator[SimpleQueue[str]]:
    """Start the child; the lines that it says, and an empty one behind the last. At the end it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if settings.SETTINGS_MODULE:
        environment.setdefault("DJANGO_SETTINGS_MODULE", settings.SETTINGS_MODULE)
    said: SimpleQueue[str] = SimpleQueue()
    with subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
        [sys.executable, "-c", _CHILD, json.dumps(request)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment,
        start_new_session=True,
    ) as child:

        def listen() -> None:
            for line in child.stdout or ():
                said.put(line)
            said.put("")

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield said
        finally:
            # With whatever the project has started in its turn: it would hold the pipe open.
            with suppress(ProcessLookupError, PermissionError):  # some systems say so of a group that is over
                os.killpg(child.pid, signal.SIGKILL)
            listener.join()


def _listen(said: SimpleQueue[str], deadline: float) -> tuple[dict[str, dict[str, Any] | None], bool]:
    """The answers of the probes that were begun, None where there was none, and whether all were done."""
    answers: dict[str, dict[str, Any] | None] = {}
    for line in _lines(said, deadline):
        if "begin" in line:
            answers[line["begin"]] = None
        elif "end" in line:
            answers[line["end"]] = line
        elif "error" in line:
            raise GatewayNotFoundError(line["error"])
        else:
            return answers, True
    return answers, False


def _lines(said: SimpleQueue[str], deadline: float) -> Iterator[dict[str, Any]]:
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = said.get(timeout=left)
        except Empty:
            return
        if not line:
            return
        if line.startswith("{"):  # the project may print at its start
            yield json.loads(line)


def _unanswered(late: list[str], seconds: float) -> Iterator[Finding]:
    for name in late or ["start of the project"]:
        yield error(
            "E115",
            f"The probe {name!r} did not answer within {seconds:g} s.",
            hint="Check network, DNS and database; --gateway NAME looks at one gateway only.",
        )


def _broken(errors: IO[str]) -> Finding:
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return error(
        "E116",
        f"The probes could not be run: {lines[-1] if lines else 'their process ended without a word'}",
        hint="Correct what it names; `manage.py shell` should start without an error.",
    )
