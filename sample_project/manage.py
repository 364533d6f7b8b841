#!/usr/bin/env python
"""Django's command line for the sample project."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command of the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as exc:
        raise SystemExit(f"{exc}. Install first: pip install -e '.[local]', or use `make demo`.") from exc
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
