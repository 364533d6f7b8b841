"""Everything in which a gateway in AWS can differ, each with what `sync_routes` says and does about it."""

from __future__ import annotations

from tests.commands.differences import apis, domains, integrations, routes, stages, taken_back
from tests.commands.differences.difference import Difference

__all__ = ["DOMAIN_TABLE", "TABLE", "Difference"]

TABLE = [*apis.TABLE, *integrations.TABLE, *routes.TABLE, *stages.TABLE, *taken_back.TABLE]
"""Differences of any gateway."""
DOMAIN_TABLE = domains.TABLE
"""Differences of a gateway with a custom domain."""
