"""Probes: what the settings cannot tell, asked of the database, of AWS and of the network.

A probe takes its time and may hang; `websocket_gateway.diagnostics.probing` runs them in a process that
can be ended. Every probe answers an `Answer` and raises nothing that is to be expected.
"""

from __future__ import annotations

from websocket_gateway.diagnostics.findings import Answer, Finding

__all__ = ["Answer", "Finding"]
