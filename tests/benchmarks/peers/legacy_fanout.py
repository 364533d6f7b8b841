"""`QuerySet.send_message()` of django-aws-api-gateway-websockets to many sessions, in its own environment.

`python -m tests.benchmarks.peers.legacy_fanout PORT LOCATION MESSAGES` prints what it took as JSON. The
package posts to the public name of its gateway; in this process that name is the endpoint of the benchmark on
loopback, whose certificate names it. Nothing of the package is changed. The payload comes as JSON in
`BENCHMARK_PAYLOAD`.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import time
from typing import Any

STAGES = {"fast": "x", "slow": "slow"}
"""Which location of the endpoint a gateway's stage is."""


def resolve_to(port: int) -> None:
    """Let names of AWS lead to that port of this machine."""
    lookup = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".amazonaws.com"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        return lookup(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def main(port: int, location: str, messages: int) -> None:
    """Make the rows, send, print."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.peers.legacy"
    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    resolve_to(port)
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        from django_aws_api_gateway_websockets.models import ApiGateway, WebSocketSession

        from tests.benchmarks.peers.legacy import make_rows

        make_rows(messages)
        ApiGateway.objects.update(stage_name=STAGES[location])
        payload = json.loads(os.environ["BENCHMARK_PAYLOAD"])
        started, cpu = time.perf_counter(), time.process_time()
        answers = WebSocketSession.objects.filter(channel_name="lobby").send_message(payload)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert len(answers) == messages, f"{len(answers)} of {messages} were delivered"
    finally:
        teardown_databases(databases, verbosity=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"rate": messages / seconds, "cpu": cpu / messages * 1e6, "peak": peak}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
