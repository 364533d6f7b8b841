"""The life of a connection's row and socket: found, registered, ended, closed, verified."""

from __future__ import annotations
