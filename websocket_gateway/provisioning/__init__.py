"""Bring a gateway in AWS to what its row, the views and the settings say: plan, then apply.

`gateways` and `deleting` are where to begin: what is wanted (`wanted`) and what AWS has (`observed`) become a
plan (`planning/`, without any call), and `applying` carries out its steps (`steps/`) one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from websocket_gateway.lazy import importing

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

__getattr__ = importing(
    __name__,
    {
        "Choices": "plan",
        "Plan": "plan",
        "Provisioning": "gateways",
        "Step": "plan",
        "delete_gateway": "deleting",
        "forget_gateway": "forgetting",
        "plan_gateway_deletion": "deleting",
        "plan_provisioning": "gateways",
        "provision": "gateways",
    },
)
"""`planning` below this package needs no Django."""
