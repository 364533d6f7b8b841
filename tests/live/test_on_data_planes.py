"""The questions about the data plane that only API Gateway itself can answer, each with what was seen."""

from __future__ import annotations

import pytest

from tests.live.sockets import CASES, SLOW, line_on
from tests.live.targets import Target
from tests.live.values import seen_on

DATA_PLANE = "Data plane"


@pytest.mark.parametrize("case", CASES)
def test_the_data_plane_does_what_the_local_gateway_does(target: Target, case: str) -> None:
    if why := why_not(target, case):
        target.table.leave_out(DATA_PLANE, case, why)
        pytest.skip(why)
    expected, attempt = CASES[case]

    target.table.compare(DATA_PLANE, case, expected, seen_on(line_on, target, attempt))


def why_not(target: Target, case: str) -> str:
    if target.name not in ("aws", "local"):
        return "it has no data plane for HTTP_PROXY"
    if target.name == "aws" and not target.choices.public_url:
        return "no public URL was given"
    if target.name == "aws" and case in SLOW and not target.choices.slow:
        return "it waits for the idle time-out"
    return ""
