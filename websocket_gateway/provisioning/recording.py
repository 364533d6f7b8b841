"""What a gateway's row keeps of a run: the ids that AWS has, that the plan was carried out, or why not."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.plan import Kind, Plan
from websocket_gateway.provisioning.saving import save_fields
from websocket_gateway.resources import ObservedGateway, WantedGateway


def save_observed(gateway: ApiGateway, observed: ObservedGateway, *, plan: Plan) -> None:
    """Keep what a run that was cut off could not keep any more."""
    if observed.api is None:
        return
    known: dict[str, Any] = {"api_id": observed.api.api_id, "api_endpoint": observed.api.api_endpoint}
    served = observed.deployment
    deploys = any(step.kind is Kind.DEPLOYMENT for step in plan)
    if served is not None and served.status == "DEPLOYED" and not deploys:
        known["deployment_id"] = served.deployment_id
    known |= _known_of_domain(gateway, observed)
    changed = [field for field, value in known.items() if getattr(gateway, field) != value]
    for field in changed:
        setattr(gateway, field, known[field])
    if changed:
        save_fields(gateway, *changed)


def _known_of_domain(gateway: ApiGateway, observed: ObservedGateway) -> dict[str, Any]:
    seen = observed.domain
    known: dict[str, Any] = {"api_gateway_domain_name": seen.domain.target} if seen.domain else {}
    for mapping in seen.mappings:
        if (mapping.api_id, mapping.api_mapping_key) == (gateway.api_id, gateway.mapping_key):
            known |= {"api_mapping_id": mapping.api_mapping_id, "custom_domain_created": True}
    return known


def save_applied(gateway: ApiGateway, wanted: WantedGateway, *, plan: Plan) -> None:
    """Keep that everything is as wanted now, and that its routes are deployed."""
    if plan or not gateway.api_created or gateway.last_error:
        gateway.api_created, gateway.last_applied_on, gateway.last_error = True, timezone.now(), ""
        save_fields(gateway, "api_created", "last_applied_on", "last_error")
    keys = [route.route_key for route in wanted.routes]
    gateway.additional_routes.filter(deployed=False, route_key__in=keys).update(deployed=True)


def save_error(gateway: ApiGateway, exc: Exception) -> None:
    """Keep why a run ended, for the admin; a row that was never saved is left alone."""
    if not gateway._state.adding:
        ApiGateway.objects.filter(pk=gateway.pk).update(last_error=str(exc))
