"""The two engines that post to many connections at once."""

from __future__ import annotations
