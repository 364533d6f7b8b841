"""Small shards and short leases, so that what takes minutes in production takes seconds in a test."""

from __future__ import annotations

from django.apps import AppConfig


class QueuesConfig(AppConfig):
    """Sets the sizes and times of every process that is started with these settings."""

    name = "tests.support.queues"

    def ready(self) -> None:
        """Before anything reads them."""
        from websocket_gateway import leases
        from websocket_gateway.sending import paging, runs, shards

        leases.LEASE_SECONDS, leases.RENEW_SECONDS = 3.0, 0.5
        shards.PAGES_SECONDS = 2.0
        paging.PAGE_SIZE = 50
        runs.RECIPIENTS_PER_SHARD = 150
