"""Other packages that do the same work, each in a virtual environment of its own below `build/peers`."""

from __future__ import annotations
