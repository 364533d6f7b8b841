"""Trials on API Gateway itself, or on what stands in for it. Selected by WEBSOCKET_GATEWAY_LIVE."""

from __future__ import annotations
