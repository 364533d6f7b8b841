"""Everything in which a gateway in AWS can differ, each with what `sync_routes` says and does about it."""

from __future__ import annotations

from tests.commands.differences import apis, integrations, routes, stages, taken_back
from tests.commands.differences.difference import Difference

__all__ = ["TABLE", "Difference"]

TABLE = [*apis.TABLE, *integrations.TABLE, *routes.TABLE, *stages.TABLE, *taken_back.TABLE]
