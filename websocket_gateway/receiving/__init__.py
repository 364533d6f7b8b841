"""From the HTTP request of an event to a typed event, a handler and a user that may call it."""

from __future__ import annotations
