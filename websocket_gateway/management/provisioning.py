"""Shared by `create_gateway`, `sync_routes` and `delete_gateway`: plans, progress, questions, reports."""

from __future__ import annotations

from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.provisioning.custom_domain import dns_advice
from websocket_gateway.provisioning.describe import (
    name_deletions,
    notes_of,
    plan_as_dict,
    render_left,
    render_plan,
    render_step,
)
from websocket_gateway.provisioning.gateways import Provisioning
from websocket_gateway.provisioning.plan import AnyStep


class ProvisioningCommand(GatewayCommand):
    """A command that plans a gateway and applies the plan."""

    text = True
    """Whether steps are printed as they are done; the JSON report comes in one piece."""
    interrupted = "Interrupted. Run the command again: it continues where this run stopped."
    _waiting_for = ""

    def report_step(self, step: AnyStep) -> None:
        """Print a step that is done."""
        if self.text:
            for line in render_step(step, dry_run=False):
                self.stdout.write(line)

    def report_wait(self, text: str) -> None:
        """Print on stderr what is being waited for, once."""
        if text != self._waiting_for:
            self._waiting_for = text
            self.stderr.write(text)

    def report_plan(self, provisioning: Provisioning, *, applied: bool) -> None:
        """Print the report: the whole plan where it was not applied."""
        plan = provisioning.plan
        lines = map(render_left, plan.left) if applied else render_plan(plan)
        for line in lines:
            self.stdout.write(line)
        for note in notes_of(plan):
            self.stderr.write(self.style.WARNING(f"Note: {note}"))
        if not plan:
            besides = " beside what is marked with !" if plan.left else ""
            self.stdout.write(f"Nothing to do: gateway {plan.gateway} is as it should be{besides}.")

    def as_dict(self, provisioning: Provisioning, *, applied: bool) -> dict[str, object]:
        """The report on one gateway for `--format json`."""
        return {
            **plan_as_dict(provisioning.plan),
            "dry_run": not applied,
            "api_id": provisioning.gateway.api_id,
            "socket_url": provisioning.socket_url,
            "dns_record": dns_advice(provisioning.gateway),
        }

    def confirm_deletions(self, provisioning: Provisioning, *, interactive: bool) -> None:
        """Ask before anything is deleted in AWS; the question names all of it."""
        if names := name_deletions(provisioning.plan):
            self.confirm(
                f"Gateway {provisioning.plan.gateway}: delete {names} in AWS?", interactive=interactive
            )
