"""What several tests need and no user does: a proxy that meddles, commands run in processes of their own."""

from __future__ import annotations
