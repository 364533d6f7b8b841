"""A URLconf that raises what no import would."""

from __future__ import annotations

raise LookupError("No installed app with label 'admin'.")
