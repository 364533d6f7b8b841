"""Channels: who may join them."""

from __future__ import annotations
