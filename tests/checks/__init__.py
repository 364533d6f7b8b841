"""The system checks, each with the smallest project that has its finding."""

from __future__ import annotations
