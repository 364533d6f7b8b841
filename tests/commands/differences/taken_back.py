"""Options of `GATEWAYS` that were taken back, and the tag that remembers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.commands.differences.difference import Difference
from tests.support.drift import Site

STAGE = "/stages/production"


def taken_back(*keys: str) -> Callable[[Site], None]:
    return lambda site: site.take_back(*keys)


def applied_and_taken_back(**options: Any) -> Callable[[Site], None]:
    def make(site: Site) -> None:
        site.configure({**site.options, **options})
        assert site.sync().status == 0
        site.take_back(*options)

    return make


TABLE = [
    Difference("rate taken back", taken_back("THROTTLING_RATE_LIMIT"), "_rate_limit: 100.0 -> 10000.0", 2),
    Difference("burst taken back", taken_back("THROTTLING_BURST_LIMIT"), "_burst_limit: 200 -> 5000", 2),
    Difference(
        "access log taken back",
        taken_back("ACCESS_LOG_ARN", "ACCESS_LOG_FORMAT"),
        'access_log_arn: "arn:',
        3,
        needs="logs",
    ),
    Difference("variables taken back", taken_back("STAGE_VARIABLES"), '[colour]: "blue" -> null', 2),
    Difference("time-out taken back", taken_back("INTEGRATION_TIMEOUT_MS"), "_millis: 20000 -> 29000", 5),
    Difference("tags taken back", taken_back("TAGS"), 'tags[cost]: "7" -> null', 4),
    Difference(
        "endpoint taken back",
        applied_and_taken_back(DISABLE_EXECUTE_API_ENDPOINT=True),
        "disable_execute_api_endpoint: true -> false",
        3,
    ),
    Difference(
        "dual-stack taken back",
        applied_and_taken_back(IP_ADDRESS_TYPE="dualstack"),
        'ip_address_type: "dualstack" -> "ipv4"',
        2,
    ),
    Difference(
        "log level taken back",
        applied_and_taken_back(LOGGING_LEVEL="INFO"),
        'level: "INFO" -> "OFF"',
        1,
        needs="logs",
    ),
    Difference("memory removed", lambda site: site.untag("websocket_gateway:options"), "tags[websocket_", 1),
    Difference(
        "memory of the stage removed",
        lambda site: site.untag("websocket_gateway:options", path=STAGE),
        "tags[websocket_gateway:options]: ",
        1,
    ),
]
