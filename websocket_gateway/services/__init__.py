"""One function for each deed of the toolkit. Services never print and never parse arguments."""

from __future__ import annotations
