"""Bring a gateway in AWS to what its row, the views and the settings say: plan, then apply."""

from __future__ import annotations
