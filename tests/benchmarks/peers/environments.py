"""The virtual environments of the peers, made once and kept in `build/peers`.

Django and gunicorn have the versions of this environment, so that only the package differs.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / "build" / "peers"
REQUIREMENTS = {
    "legacy": ["django-aws-api-gateway-websockets==4.1.*", "boto3", "gunicorn"],
    # The timeout of 5 s that redis 8 sets by itself ends a consumer of channels_redis 4.3 that waits for 5 s.
    "channels": ["channels==4.*", "channels_redis==4.*", "daphne==4.*", "redis<8"],
}
_AS_HERE = ("boto3", "gunicorn")
_DRIVERS = {"postgresql": "psycopg[binary]", "mysql": "mysqlclient"}


def peer_python(name: str) -> Path:
    """The interpreter of a peer's environment, which is made first if it is missing."""
    engine = os.environ.get("WEBSOCKET_GATEWAY_TEST_DATABASE", "sqlite")
    folder = PEERS / f"{name}-{engine}"
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    wanted = requirements(name)
    PEERS.mkdir(parents=True, exist_ok=True)
    with (PEERS / f"{name}-{engine}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two benchmarks may want it at the same time
        if not (stamp.exists() and stamp.read_text() == "\n".join(wanted)):
            venv.create(folder, with_pip=True, clear=True)
            install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted]
            subprocess.run(install, check=True)
            stamp.write_text("\n".join(wanted))
    return python


def requirements(name: str) -> list[str]:
    """The arguments of `pip install` for a peer."""
    pinned = [f"{item}=={version(item)}" if item in _AS_HERE else item for item in REQUIREMENTS[name]]
    driver = _DRIVERS.get(os.environ.get("WEBSOCKET_GATEWAY_TEST_DATABASE", ""))
    return [f"Django=={version('django')}", *pinned, *([driver] if driver else [])]


def peer_versions(name: str) -> dict[str, str]:
    """What is installed for a peer: the packages that were asked for, with their versions."""
    listed = subprocess.run(
        [str(peer_python(name)), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split("==", 1) for line in listed.stdout.splitlines() if "==" in line)
    names = (re.split("[=<]", item)[0] for item in REQUIREMENTS[name])
    return {item: found.get(item) or found.get(item.replace("_", "-"), "?") for item in names}
