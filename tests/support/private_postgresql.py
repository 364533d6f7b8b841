"""A PostgreSQL server of its own, which a test may restart without disturbing others."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.served import free_port

USER = "websocket_gateway"


def binaries() -> Path | None:
    """The folder with `initdb` and `pg_ctl`; None where the server is not installed."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


class PrivatePostgreSQL:
    """A running server, with the environment for Django's settings of the tests."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._pg("initdb", "-A", "trust", "-U", USER)
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(f"port={self._port}\nunix_socket_directories='{folder}'\nmax_connections=200\n")
        self._control("start")

    @property
    def environment(self) -> dict[str, str]:
        """What selects the database."""
        names = {"DATABASE": "postgresql", "USER": USER, "PASSWORD": "-", "NAME": "postgres"}
        return {f"WEBSOCKET_GATEWAY_TEST_{name}": value for name, value in names.items()} | {
            "PGPORT": str(self._port)
        }

    def restart(self) -> None:
        """Restart the server; all connections are lost."""
        self._control("restart")

    def stop(self) -> None:
        """Stop the server."""
        self._control("stop")

    def _control(self, command: str) -> None:
        self._pg("pg_ctl", "-w", "-m", "fast", "-l", str(self._folder / "log"), command)

    def _pg(self, program: str, *arguments: str) -> None:
        folder = binaries()
        assert folder is not None
        # The server refuses to run as root.
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        prefix = user if os.getuid() == 0 else []
        command = [*prefix, str(folder / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def private_postgresql() -> Iterator[PrivatePostgreSQL]:
    """A server for the length of a `with` block."""
    folder = Path(tempfile.mkdtemp(prefix="websocket-gateway-pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = PrivatePostgreSQL(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
