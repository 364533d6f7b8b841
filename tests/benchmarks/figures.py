"""All benchmarks in short sizes, as tables: printed; `--write` puts them into `management_docs/figures.md`.

Run it with `make figures`, or `python -m tests.benchmarks.figures [--write] [--ours] [SUBJECT...]`. It takes
about ten minutes on two idle cores; the first run also installs the other packages below `build/peers`.
It needs Redis on loopback and Debian's packages wrk, nginx-light and libnginx-mod-http-echo;
`WEBSOCKET_GATEWAY_TEST_DATABASE` selects the database. A subject that fails keeps its old table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.benchmarks.peers.environments import peer_versions
from tests.benchmarks.results import say

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "management_docs" / "figures.md"
SUBJECTS = {
    "fanout": ["fanout", "--quick"],
    "audience": ["audience", "100000"],
    "receiving": ["receiving"],
    "serving": ["serving"],
    "round_trip": ["round_trip"],
    "loopback": ["loopback"],
    "channels": ["channels", "publishing", "callers", "reading", "fanout"],
    "presence": ["presence", "5000"],
    "provisioning": ["provisioning"],
    "startup": ["startup", "10"],
    "measuring": ["measuring"],
}
WITH_PEERS = ("fanout", "serving", "round_trip", "loopback")
SIZES = {"BENCHMARK_MESSAGES": "60"}
BUSY_LOAD = 0.5
"""Load average for each core from which the machine counts as shared."""

Row = tuple[str, str, str]


def main() -> int:
    """Run, print, write; answer 1 where a benchmark could not be run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; all")
    parser.add_argument("--write", action="store_true", help="replace the tables of the page")
    parser.add_argument("--ours", action="store_true", help="without the other packages")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    subjects = options.subjects or list(SUBJECTS)
    failed = []
    tell("run", table(about_the_run(peers=not options.ours), ("what", "version or value", "")), options.write)
    for subject in subjects:
        if rows := run(subject, ours=options.ours):
            text = table(rows, ("what", "figure", "ratio"))
            tell(subject, f"{text}\n\n{stamp()}", options.write)
        else:
            failed.append(subject)
    for subject in failed:
        say(f"{subject} failed; its table on the page stays as it was.")
    return 1 if failed else 0


def tell(subject: str, text: str, write: bool) -> None:
    """Print a table, and put it into the page if that was asked for."""
    say(f"\n### {subject}\n\n{text}\n")
    if write:
        PAGE.write_text(rewritten(PAGE.read_text(), {subject: text}))


def run(subject: str, *, ours: bool = False) -> list[Row]:
    """The rows of one benchmark, none if it could not be run."""
    module, *arguments = SUBJECTS[subject]
    if ours and subject in WITH_PEERS:
        arguments.append("--ours")
    begun = time.monotonic()
    say(f"== {subject}")
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as results:
        environment = SIZES | os.environ | {"BENCHMARK_RESULTS": results.name}
        # Each has settings of its own, and a database file of its own.
        for name in ("DJANGO_SETTINGS_MODULE", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(name, None)
        if os.environ.get("WEBSOCKET_GATEWAY_TEST_DATABASE", "sqlite") == "sqlite":
            environment.pop("WEBSOCKET_GATEWAY_TEST_NAME", None)
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        ended = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        rows = [tuple(json.loads(line)) for line in results]
    say(f"== {subject}: {time.monotonic() - begun:.0f} s, status {ended.returncode}")
    # 1 is a limit that was missed, which the table shows; a traceback is 1 as well, and leaves few rows.
    return rows if ended.returncode in (0, 1) else []


def about_the_run(*, peers: bool) -> list[Row]:
    """The machine and the versions."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    shared = load > BUSY_LOAD
    rows = [
        ("date", f"{datetime.now(timezone.utc):%Y-%m-%d}", ""),
        ("machine", f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}", ""),
        (
            "other load",
            f"{load:.1f} processes for each core" if shared else "none",
            "a shared machine: only the ratios say something" if shared else "",
        ),
        ("database", os.environ.get("WEBSOCKET_GATEWAY_TEST_DATABASE", "sqlite"), ""),
        ("Python", platform.python_version(), ""),
    ]
    names = {name: _version(name) for name in ("Django", "boto3", "gunicorn", "uvloop")}
    if peers:
        names |= peer_versions("legacy") | peer_versions("channels")
        names["wrk"] = _program("wrk", "-v", r"wrk (?:debian/)?(\S+)")
        names["Redis, the server"] = _program("redis-server", "--version", r"v=(\S+)")
    return rows + [(name, found, "") for name, found in names.items()]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _program(name: str, option: str, pattern: str) -> str:
    try:
        ended = subprocess.run([name, option], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    found = re.search(pattern, ended.stdout + ended.stderr)
    return found[1] if found else "?"


def stamp() -> str:
    """The line below a table: a run of some subjects only leaves the others older."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    where = " on a shared machine: only the ratios say something" if load > BUSY_LOAD * 2 else ""
    return f"Measured on {datetime.now(timezone.utc):%Y-%m-%d}{where}."


def table(rows: list[Row], head: Row) -> str:
    """A Markdown table; the last column is left out if it is empty."""
    width = 3 if head[2] or any(row[2] for row in rows) else 2
    lines = [head[:width], ("---",) * width, *(row[:width] for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def rewritten(page: str, tables: dict[str, str]) -> str:
    """The page with these tables between their markers."""
    for name, text in tables.items():
        pattern = re.compile(rf"(<!-- figures: {name} -->\n).*?(\n<!-- end of figures -->)", re.DOTALL)
        page, found = pattern.subn(lambda match, text=text: f"{match[1]}{text}{match[2]}", page)  # type: ignore[misc]
        if found != 1:
            raise SystemExit(f"The page has {found} places for {name!r}, and must have one.")
    return page


if __name__ == "__main__":
    sys.exit(main())
