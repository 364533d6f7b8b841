"""What a caller allows beside bringing AWS to what is wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of `create_gateway` and `sync_routes` that change what is planned."""

    recreate: bool = False
    """Create the API anew where AWS does not know the one in the row."""
    adopt: str = ""
    """Id of an API to take over, whosever it was."""
    prune: bool = False
    """Delete what is in AWS and nobody here wants."""
    take_over: bool = False
    """Take what was changed in AWS into the rows, where a row can hold it."""
    deep: bool = False
    """Read the route responses of one-way routes too, at one call each."""
