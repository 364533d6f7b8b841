"""The state file: everything the control plane holds, as JSON, for the eyes of the owner only."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from websocket_gateway.local.errors import LocalGatewayError
from websocket_gateway.local.store import Store

VERSION = 1


def load_state(store: Store, path: Path) -> None:
    """Fill the store from the file; a missing file is an empty gateway."""
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
    """Write the file whole or not at all: whoever reads it sees the old state or the new one."""
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
    """Find out at the start, not at the first change, that the file can never be written."""
    if path.is_dir():
        raise LocalGatewayError(f"The state file {path} is a directory.")
    if not path.parent.is_dir():
        raise LocalGatewayError(f"The directory of the state file {path} does not exist.")
    if not os.access(path.parent, os.W_OK):
        raise LocalGatewayError(f"The directory of the state file {path} is not writable.")
