"""How each kind of step is carried out: one function a deed, found in `DEEDS` by action and kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from websocket_gateway.provisioning.plan import Action, Kind
from websocket_gateway.provisioning.steps import apis, domains, routes, rows, stages

DEEDS: Final[Mapping[tuple[Action, Kind], Any]] = MappingProxyType(
    {**rows.DEEDS, **apis.DEEDS, **routes.DEEDS, **stages.DEEDS, **domains.DEEDS}
)
"""`(run, step)`: what the run has learnt so far and the adapters that it uses; what is to be done."""


def deed_for(action: Action, kind: Kind) -> Any:
    """The function that carries out such a step."""
    return DEEDS[action, kind]
