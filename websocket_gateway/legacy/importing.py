"""Import the tables of django-aws-api-gateway-websockets 4: plan, then apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import IntegrityError, router, transaction
from django.utils import timezone

from websocket_gateway.exceptions import LegacyImportError
from websocket_gateway.legacy.records import RecordPlanning
from websocket_gateway.legacy.sessions import SessionCounts, count_sessions, import_sessions
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute, ChannelPermission
from websocket_gateway.origin_secret import installation_fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What will be imported: rows not saved yet, and notes about them."""

    gateways: tuple[ApiGateway, ...]
    routes: tuple[ApiGatewayAdditionalRoute, ...]
    permissions: tuple[ChannelPermission, ...]
    sessions: SessionCounts
    notes: tuple[str, ...]
    known: Mapping[int, ApiGateway]
    """Old primary key -> the gateway here, saved already or one of `gateways`."""

    def __bool__(self) -> bool:
        rows = (*self.gateways, *self.routes, *self.permissions)
        return bool(rows or self.sessions.imported or self.sessions.ended)


def plan_import() -> ImportPlan:
    """The plan of a run; reads both sets of tables, changes nothing.

    Raises `LegacyImportError` where there are no old tables, and where any gateway, route or channel
    rule cannot be imported: it names them all, before anything of the rest is saved.
    """
    records = RecordPlanning()
    if records.problems:
        listed = "\n".join(f"- {problem}" for problem in records.problems)
        raise LegacyImportError(f"Nothing was imported:\n{listed}")
    return ImportPlan(
        gateways=tuple(records.gateways),
        routes=tuple(records.routes),
        permissions=tuple(records.permissions),
        sessions=count_sessions(records.known),
        notes=tuple(records.notes),
        known=records.known,
    )


def apply_import(plan: ImportPlan) -> SessionCounts:
    """Save the plan's rows in one transaction, then the sessions page by page; returns their counts.

    Raises `LegacyImportError` if another run saved the same rows in this moment.
    """
    if not plan:
        return plan.sessions
    try:
        with transaction.atomic(using=router.db_for_write(ApiGateway)):
            _save_records(plan)
    except IntegrityError as exc:
        raise LegacyImportError(
            "Nothing was imported: another run is importing the same things. Run this again when it is done."
        ) from exc
    return import_sessions(plan.known)


def _save_records(plan: ImportPlan) -> None:
    now = timezone.now()
    for gateway in plan.gateways:
        gateway.imported_on = now
        gateway.installation = installation_fingerprint() if gateway.api_id else ""
        gateway.save(force_insert=True)
    for route in plan.routes:
        route.api_gateway_id = route.api_gateway.pk
        route.save(force_insert=True)
    for permission in plan.permissions:
        permission.save(force_insert=True)
