"""How each kind of step is applied: one function each, found by action and kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from websocket_gateway.provisioning.plan import Action, Kind
from websocket_gateway.provisioning.steps import apis, domains, rows, stages
from websocket_gateway.provisioning.steps.context import Handler

HANDLERS: Final[Mapping[tuple[Action, Kind], Handler]] = MappingProxyType(
    {**rows.HANDLERS, **apis.HANDLERS, **stages.HANDLERS, **domains.HANDLERS}
)
