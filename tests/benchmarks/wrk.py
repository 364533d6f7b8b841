"""Load by wrk: posts in turns from a list of requests, on a core of its own."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.processes import pinned

_SCRIPT = """
local made, number = {}, 0
init = function(args)
  for index, headers in ipairs({%s}) do made[index] = wrk.format("POST", %s, headers, %s) end
end
request = function()
  number = number + 1
  return made[number %% #made + 1]
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class Load(NamedTuple):
    """Requests per second, and seconds of latency."""

    requests: int
    rate: float
    p50: float
    p95: float


def post(
    port: int,
    path: str,
    headers: Sequence[Mapping[str, str]],
    body: str,
    *,
    connections: int = 16,
    seconds: float = 3,
) -> Load:
    """Post `body` with each of the headers in turns; ends the benchmark if one answer is not 2xx or 3xx."""
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed: apt-get install wrk")
    _try_one(port, path, headers[0], body)
    tables = ", ".join(
        "{" + ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in row.items()) + "}"
        for row in headers
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % (tables, json.dumps(path), json.dumps(body)))
        script.flush()
        words = f"wrk -t 1 -c {connections} -d {max(1, round(seconds))} --timeout 30 -s {script.name}"
        command = pinned([*words.split(), f"http://127.0.0.1:{port}{Path(path)}"], 1)
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", text)
    if not found:
        raise SystemExit(text)
    requests, duration, p50, p95, errors = (int(item) for item in found.groups())
    if errors or not requests:
        raise SystemExit(f"{errors} of {requests} requests to {path} failed")
    return Load(requests, requests / duration * 1e6, p50 / 1e6, p95 / 1e6)


def _try_one(port: int, path: str, headers: Mapping[str, str], body: str) -> None:
    """Post once, which also waits until a worker of the server has started."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request("POST", path, body, dict(headers))
        response = client.getresponse()
        if response.status != 200:
            raise SystemExit(f"{path} answered {response.status}: {response.read()[:500]!r}")
