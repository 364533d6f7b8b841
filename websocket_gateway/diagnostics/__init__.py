"""Diagnose a project: static checks, then probes of the database, of AWS and of the network.

A probe takes time and can hang, so `probing` runs each in a daemon thread and stops waiting at a deadline.
A probe returns check messages: facts and findings. It raises nothing that is to be expected.
"""

from __future__ import annotations

from websocket_gateway.diagnostics.probing import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
