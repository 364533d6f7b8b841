"""A gateway of 300 routes, planned, applied and checked; how much of the time is ours and not AWS's.

Run it with `python -m tests.benchmarks.provisioning`. The control plane is the local gateway, which
answers in milliseconds where AWS takes tenths of seconds, so the share that is ours looks far larger
here than it is; the limit is on our own seconds.
"""

from __future__ import annotations

import io
import os
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}
django.setup()

from django.core.management import call_command  # noqa: E402
from django.test.utils import override_settings, setup_databases, teardown_databases  # noqa: E402

from tests.benchmarks.results import keep  # noqa: E402
from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory  # noqa: E402
from websocket_gateway.aws.clients import control_plane_client  # noqa: E402
from websocket_gateway.testing.gateway import local_gateway  # noqa: E402

ROUTES = 297
"""Beside `$connect`, `$disconnect` and `$default`: the most that AWS allows."""
OWN_SECONDS = 5.0
"""What creating it may cost on our side: SQL, planning, rendering, and what boto3 does around its calls."""


class Stopwatch:
    """Adds up the time between a request and its answer."""

    def __init__(self, client: Any) -> None:
        self.calls, self.seconds, self._begun = 0, 0.0, 0.0
        client.meta.events.register("before-call.apigatewayv2", self._begin)
        client.meta.events.register("after-call.apigatewayv2", self._end)

    def _begin(self, **kwargs: Any) -> None:
        self._begun = time.perf_counter()

    def _end(self, **kwargs: Any) -> None:
        self.calls += 1
        self.seconds += time.perf_counter() - self._begun


def main() -> int:
    """Measure, print, and answer 1 where our own share takes too long."""
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with (
            local_gateway() as gateway,
            override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": gateway.endpoint_url}),
        ):
            row = ApiGatewayFactory.create(planned=True, api_name="chat", region_name="")
            for number in range(ROUTES):
                ApiGatewayAdditionalRouteFactory.create(
                    api_gateway=row,
                    route_key=f"route{number}",
                    integration_url=f"https://www.example.com/{number}",
                    two_way=False,
                )
            own = measure("create", "create_gateway", "chat")
            measure("check", "sync_routes", "--check")
            row.additional_routes.filter(route_key="route7").update(
                integration_url="https://www.example.com/x"
            )
            measure("one change", "sync_routes")
    finally:
        teardown_databases(databases, verbosity=0)
    return int(own > OWN_SECONDS)


def measure(label: str, *argv: str) -> float:
    """Run one command and print where its time went; answers our own seconds."""
    watch = Stopwatch(control_plane_client("eu-west-1"))
    begun = time.perf_counter()
    call_command(*argv, stdout=io.StringIO(), stderr=io.StringIO())
    total = time.perf_counter() - begun
    own = total - watch.seconds
    print(f"{label}: {total:.2f} s, {watch.calls} calls; {own:.2f} s of it our own")  # noqa: T201
    keep(
        f"{label}, {ROUTES + 3} routes",
        f"{own:.2f} s of our own, {watch.calls} calls",
        f"{own / total:.2f} of the time, with a control plane on loopback",
    )
    return own


if __name__ == "__main__":
    raise SystemExit(main())
