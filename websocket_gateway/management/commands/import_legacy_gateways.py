"""`manage.py import_legacy_gateways`: import from another package's tables."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.management.base import CommandParser

from websocket_gateway.legacy.importing import ImportPlan, apply_import, plan_import
from websocket_gateway.legacy.sessions import SessionCounts
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.provisioning.describe import to_json


class Command(GatewayCommand):
    """Imports gateways, routes, channel permissions and live sessions."""

    help = (
        "Import gateways, additional routes, channel permissions and live sessions from the tables of "
        "django-aws-api-gateway-websockets. Nothing that exists here is changed; running it again imports "
        "only what is new."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Print what would be imported; save nothing."
        )
        self.add_format_argument(parser)

    def handle(
        self,
        *args: object,
        dry_run: bool,
        format: str,  # noqa: A002 - the option's name
        **options: object,
    ) -> None:
        """Plan, apply, report."""
        plan = plan_import()
        sessions = plan.sessions if dry_run else apply_import(plan)
        if format == "json":
            self.stdout.write(to_json(_as_dict(plan, sessions, dry_run=dry_run)))
            return
        for note in plan.notes:
            self.stderr.write(self.style.WARNING(f"Note: {note}"))
        for line in _lines(plan, sessions, dry_run=dry_run):
            self.stdout.write(line)


def _lines(plan: ImportPlan, sessions: SessionCounts, *, dry_run: bool) -> Iterator[str]:
    imported, ended = ("Would import", "Would end") if dry_run else ("Imported", "Ended")
    if not plan:
        yield "Nothing to do: everything that can be imported is here."
    for gateway in plan.gateways:
        yield f"+ {imported} gateway {gateway.api_name} ({_api(gateway.api_id)})"
    for route in plan.routes:
        yield f"+ {imported} route {route.route_key} of gateway {route.api_gateway.api_name}"
        yield f"    {route.integration_url}"
    for permission in plan.permissions:
        yield f"+ {imported} channel permission {permission.channel_name} ({permission.audience})"
        for name in ("all_of", "any_of"):
            if labels := getattr(permission, name):
                yield f"    {name}: {', '.join(labels)}"
        if permission.alternatives:
            sets = (f"({' and '.join(names)})" for names in permission.alternatives)
            yield f"    alternatives: {' or '.join(sets)}"
    if sessions.imported:
        yield f"+ {imported} live sessions: {sessions.imported}"
    if sessions.ended:
        yield f"- {ended} sessions that have ended since: {sessions.ended}"
    if sessions.left_out:
        yield f"Not imported, because gateway or valid login is missing: {sessions.left_out}"


def _api(api_id: str) -> str:
    return f"API {api_id}" if api_id else "not in AWS yet"


def _as_dict(plan: ImportPlan, sessions: SessionCounts, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "gateways": [{"name": row.api_name, "api_id": row.api_id} for row in plan.gateways],
        "routes": [
            {"gateway": row.api_gateway.api_name, "route_key": row.route_key, "url": row.integration_url}
            for row in plan.routes
        ],
        "permissions": [
            {
                "channel_name": row.channel_name,
                "audience": row.audience,
                "any_of": row.any_of,
                "all_of": row.all_of,
                "alternatives": row.alternatives,
            }
            for row in plan.permissions
        ],
        "sessions": {
            "imported": sessions.imported,
            "ended": sessions.ended,
            "left_out": sessions.left_out,
        },
        "notes": list(plan.notes),
    }
