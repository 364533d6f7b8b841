"""`python -m tests.live`, which is `make test-aws`: says what to set, or runs the suite."""

from __future__ import annotations

import subprocess
import sys

from tests.live.choices import HELP, read_choices


def main() -> int:
    """Return the exit status: 2 for a choice that cannot work."""
    try:
        choices = read_choices()
    except ValueError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    if not choices.targets:
        sys.stdout.write(f"{HELP}\n")
        return 0
    if "aws" in choices.targets:
        sys.stdout.write(f"{choices.estimate}\n")
        sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/live", *sys.argv[1:]]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
