"""The names of processes that hold leases, and whether such a process is still there."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


def holder_name() -> str:
    """The name of this process as the holder of a lease: machine and process id."""
    return f"{host_name()}:{os.getpid()}"


@cache
def host_name() -> str:
    """The name of this machine, as holders are named: its host and, on Linux, its boot and PID namespace.

    Two containers can have one host name and the same process ids.
    """
    return "/".join([socket.gethostname()[:200], *_boot_and_namespace()])


def _boot_and_namespace() -> list[str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [boot[:8], os.readlink("/proc/self/ns/pid").strip("pid:[]")]
    except OSError:  # not Linux, or /proc is hidden
        return []


def is_dead(host: str, pid: str) -> bool:
    """Whether the process is known to be gone; of other machines nothing is known."""
    # Signal 0 only asks, but on Windows it would end the process.
    if host != host_name() or not pid.isdecimal() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
