"""Parses and checks the HTTP request of an event: the event, its gateway, its user, its handler."""

from __future__ import annotations
