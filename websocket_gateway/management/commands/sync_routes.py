"""`manage.py sync_routes [NAME ...]`: find what differs in AWS, show it or fix it, with one deployment."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from operator import attrgetter

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.connections.endpoints import why_missing
from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.last_runs import check_of, note_run
from websocket_gateway.management.provisioning import ProvisioningCommand
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.describe import to_json
from websocket_gateway.provisioning.gateways import Provisioning, plan_provisioning, provision
from websocket_gateway.provisioning.plan import Choices
from websocket_gateway.provisioning.row import find_gateways


class Command(ProvisioningCommand):
    """Brings gateways that exist in AWS to what rows, views and settings say."""

    help = (
        "Compare every attribute of gateways in AWS with what rows, views and settings say, and fix what "
        "differs. Unwanted resources are shown and kept, unless --prune or --import is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="The gateways; every one that is in AWS if left out."
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--check", action="store_true", help="Change nothing; exit with status 1 if anything differs."
        )
        how.add_argument(
            "--dry-run", action="store_true", help="Print the plan; change nothing, neither in AWS nor here."
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="Delete unwanted routes, integrations, stages and earlier domains. Asks first.",
        )
        parser.add_argument(
            "--import",
            action="store_true",
            dest="import_changes",
            help="Import routes and values that were changed in AWS, if a row can store them.",
        )
        parser.add_argument(
            "--rotate-secret",
            action="store_true",
            help="Deploy a new origin secret for the named gateways. Until that is done, events with the old "
            "one are accepted too.",
        )
        parser.add_argument(
            "--deep",
            action="store_true",
            help="Also find unwanted route responses of one-way routes; needs one call per route.",
        )
        self.add_no_input_argument(parser)
        self.add_format_argument(parser)

    def handle(
        self,
        *args: object,
        names: list[str],
        check: bool,
        dry_run: bool,
        prune: bool,
        import_changes: bool,
        rotate_secret: bool,
        deep: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: object,
    ) -> None:
        """Plan, show or apply each gateway; report."""
        self.text = format == "text"
        self.interactive = interactive
        if rotate_secret and (check or not names):
            problem = "cannot be combined with --check" if check else "needs the NAME of a gateway"
            raise CommandError(f"--rotate-secret {problem}.", returncode=2)
        self.choices = Choices(
            prune=prune, import_changes=import_changes, rotate_secret=rotate_secret, deep=deep
        )
        self.applied, self.checks = not (check or dry_run), check
        gateways = find_gateways(names)
        self.skipped = {row.api_name: why_missing(row) for row in gateways if not row.api_id}
        self.failed: dict[str, str] = {}
        created = [row for row in gateways if row.api_id]
        done = {row.api_name: self.sync(row, among=len(created)) for row in created}
        self.conclude([report for report in done.values() if report is not None], check=check)

    def sync(self, gateway: ApiGateway, *, among: int) -> Provisioning | None:
        """Plan, show or apply one gateway; among several the failure of one does not stop the others."""
        if among > 1 and self.text:
            self.stdout.write(f"Gateway {gateway.api_name}:")
        try:
            done = self.provision(gateway)
        except (WebSocketGatewayError, ConfigurationError) as exc:
            if among == 1 and self.text:
                raise
            self.stderr.write(self.style.ERROR(f"Gateway {gateway.api_name}: {exc}"))
            self.failed[gateway.api_name] = str(exc)
            return None
        if self.checks:
            note_run(check_of(gateway), found=int(done.plan.drift))
        if self.text:
            self.report_plan(done, applied=self.applied)
        return done

    def provision(self, gateway: ApiGateway) -> Provisioning:
        """Plan one gateway, and apply the plan unless it is only to be shown."""
        if not self.applied:
            return plan_provisioning(gateway, choices=self.choices, on_wait=self.report_wait)
        return provision(
            gateway,
            choices=self.choices,
            confirm=lambda planned: self.confirm_deletions(planned, interactive=self.interactive),
            on_step=self.report_step,
            on_wait=self.report_wait,
        )

    def conclude(self, done: Sequence[Provisioning], *, check: bool) -> None:
        """Print what concerns all gateways; raise where one failed, or where `--check` found a difference."""
        drifted = [report.plan.gateway for report in done if report.plan.drift]
        if self.text:
            for why in self.skipped.values():
                self.stdout.write(f"! {why}")
            if not done and not self.failed and not self.skipped:
                self.stdout.write("Nothing to do: there is no gateway.")
        else:
            self.stdout.write(to_json(self.all_as_dict(done, drift=bool(drifted or self.skipped))))
        if self.failed:
            raise CommandError(f"Not {'checked' if check else 'synced'}: {', '.join(self.failed)}.")
        if check and drifted:
            command = " ".join(["manage.py sync_routes", *map(shlex.quote, drifted)])
            if not any(map(attrgetter("plan"), done)):
                command += " --prune" + ", or --import" * any(map(attrgetter("importable"), done))
            raise CommandError(f"Not as wanted: {', '.join(drifted)}. To fix it: {command}")
        if check and self.skipped:
            raise CommandError(f"Not in AWS: {', '.join(self.skipped)}.")

    def all_as_dict(self, done: Sequence[Provisioning], *, drift: bool) -> dict[str, object]:
        """The whole report for `--format json`."""
        return {
            "drift": drift,
            "gateways": [self.as_dict(report, applied=self.applied) for report in done],
            "failed": [{"gateway": name, "error": error} for name, error in self.failed.items()],
            "skipped": [{"gateway": name, "reason": why} for name, why in self.skipped.items()],
        }
