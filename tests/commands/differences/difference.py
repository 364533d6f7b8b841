"""One thing that is not as wanted, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.drift import HEADER, Site
from websocket_gateway.models import ApiGateway


@dataclass(frozen=True)
class Difference:
    """One thing that is not as wanted."""

    name: str
    make: Callable[[Site], object]
    named: str
    """What `--check` must say of it."""
    changes: int
    """Calls that repair it; a deployment is one of them."""
    options: tuple[str, ...] = ()
    """The options of `sync_routes` that repair it."""
    needs: str = ""
    """`store`: only a local gateway takes it. `logs`: a log group, and the account's role.

    `certificate`: another certificate of the domain. `zone`: a hosted zone.
    """


def parameter(name: str, value: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.change_integration("move", RequestParameters={HEADER + name: value})

    return change


def row(**changes: Any) -> Callable[[Site], object]:
    return lambda site: ApiGateway.objects.filter(pk=site.row.pk).update(**changes)
