"""Bring a gateway in AWS to what its row, the views and the settings say: plan, then apply.

`gateways` and `deleting` are where to begin: what is wanted (`wanted`) and what AWS has (`observed`) become a
plan (`planning/`, without any call), and `applying` carries out its steps (`steps/`) one by one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websocket_gateway.provisioning.deleting import delete_gateway, plan_gateway_deletion
    from websocket_gateway.provisioning.forgetting import forget_gateway
    from websocket_gateway.provisioning.gateways import Provisioning, plan_provisioning, provision
    from websocket_gateway.provisioning.plan import Choices, Plan, Step

__all__ = [
    "Choices",
    "Plan",
    "Provisioning",
    "Step",
    "delete_gateway",
    "forget_gateway",
    "plan_gateway_deletion",
    "plan_provisioning",
    "provision",
]

_MODULES = ("plan", "gateways", "deleting", "forgetting")


def __getattr__(name: str) -> object:
    """Import a public name at its first use, so that `planning` below this package needs no Django."""
    if name in __all__:
        for module in _MODULES:
            found = vars(import_module(f"{__name__}.{module}"))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
