"""The chat: one room, its history, and a button that notifies everyone."""

from __future__ import annotations
