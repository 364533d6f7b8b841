"""Who uses a state file: a lock on it, so that two gateways do not write over each other's state."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    CAN_LOCK = False
else:
    CAN_LOCK = True


class Claim:
    """One gateway's claim to its state file, for as long as it runs. The system ends that of a killed one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Claim the file as it is now, if there is one; raises `BlockingIOError` if it is another's.

        Call it after each writing, too: that puts a new file in the place of the old one.
        """
        if not CAN_LOCK:
            return
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except OSError:
            return  # there is none, or none that can be read: whoever reads it says so
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
        """Give it up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
