"""Send a message to connections: to a QuerySet, a channel, a user, or everyone."""

from __future__ import annotations
