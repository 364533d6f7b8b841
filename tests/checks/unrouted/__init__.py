"""An app whose view no URL leads to."""

from __future__ import annotations
