"""Wanted state x observed state -> plan. Pure: no Django, no boto3, no input or output."""

from __future__ import annotations
