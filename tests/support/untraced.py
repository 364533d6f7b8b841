"""The environment of a process that is sent signals: as ours, but nobody counts its lines.

Coverage takes locks in Python. Ctrl-C that strikes while one is taken leaves it held, and all stands still.
"""

from __future__ import annotations

import os


def untraced() -> dict[str, str]:
    """What `subprocess` gets as `env`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
