"""The state file: the resources of the control plane as JSON, readable by their owner only, and its lock."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from websocket_gateway.local.errors import LocalGatewayError
from websocket_gateway.local.store import Store

try:
    import fcntl
except ImportError:  # Windows
    CAN_LOCK = False
else:
    CAN_LOCK = True

VERSION = 1


def load_state(store: Store, path: Path) -> None:
    """Fill the store from the file. A missing file leaves the store empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as exc:
        raise LocalGatewayError(f"The state file {path} cannot be read: {exc}") from exc
    try:
        data = json.loads(text)
        if data["version"] != VERSION:
            raise LocalGatewayError(
                f"The state file {path} was written by another version; move it away to start empty."
            )
        store.load(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise LocalGatewayError(
            f"The state file {path} is damaged ({type(exc).__name__}); move it away to start empty."
        ) from exc


def save_state(store: Store, path: Path) -> None:
    """Write the file atomically: a reader sees the old state or the new one."""
    content = json.dumps({"version": VERSION, **store.dump()}, indent=1).encode()
    # mkstemp creates the file with mode 0600.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_state_path(path: Path) -> None:
    """Raise `LocalGatewayError` if the file cannot be written: at the start, not at the first change."""
    if path.is_dir():
        raise LocalGatewayError(f"The state file {path} is a directory.")
    if not path.parent.is_dir():
        raise LocalGatewayError(f"The directory of the state file {path} does not exist.")
    if not os.access(path.parent, os.W_OK):
        raise LocalGatewayError(f"The directory of the state file {path} is not writable.")


class StateLock:
    """The lock that one gateway holds on its state file. The system releases the lock of a killed process.

    Without it, two gateways would overwrite each other's state.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Lock the file if it exists. Raise `BlockingIOError` if another gateway holds the lock.

        Call it after each write as well, because a write replaces the file.
        """
        if not CAN_LOCK:
            return
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except OSError:
            return  # missing or unreadable: reading it reports the error
        if self._descriptor is not None and os.path.samestat(
            os.fstat(self._descriptor), os.fstat(descriptor)
        ):
            os.close(descriptor)
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise BlockingIOError(f"The state file {self._path} is used by another local gateway.") from None
        self.release()
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
