"""Places in the history of a channel: how they are written in frames, and read from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_OFFSET = 2**53 - 1
"""JavaScript's numbers are exact up to here."""
_MAX_EPOCH_LENGTH = 64


class InvalidPositionError(ValueError):
    """A client wrote something else where a position is expected."""


@dataclass(frozen=True, slots=True)
class Position:
    """After which message of a channel a reader continues.

    Offsets count from 1 within an epoch. The epoch is empty as long as the channel has never had a message.
    """

    epoch: str
    offset: int

    def as_dict(self) -> dict[str, object]:
        """The position for a frame or a template."""
        return {"epoch": self.epoch, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Latest:
    """The last `number` messages of a channel, instead of those after a position."""

    number: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """After the last message that the user has acknowledged, on any device."""


Since = Position | Latest | Acknowledged | None
"""Where a client wants to begin; None for what comes from now on."""


def parse_since(value: object) -> Since:
    """Read `null`, `{"epoch": ..., "offset": ...}`, `{"last": ...}` or `{"acked": true}`.

    Raises `InvalidPositionError`.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidPositionError("A position is an object with epoch and offset, or null.")
    if set(value) == {"last"}:
        return Latest(_natural(value["last"]))
    if set(value) == {"acked"} and value["acked"] is True:
        return Acknowledged()
    if set(value) != {"epoch", "offset"}:
        raise InvalidPositionError(
            "A position has the keys epoch and offset, or one of the keys last and acked."
        )
    epoch = value["epoch"]
    if not isinstance(epoch, str) or len(epoch) > _MAX_EPOCH_LENGTH:
        raise InvalidPositionError("The epoch of a position is a short string.")
    return Position(epoch, _natural(value["offset"]))


def _natural(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_OFFSET:
        raise InvalidPositionError("An offset is an integer from 0 on.")
    return value


def parse_ack(value: object) -> Position:
    """Read what a client acknowledges: an offset of the current epoch, or a position.

    The epoch is empty for an offset alone. Raises `InvalidPositionError`.
    """
    since = parse_since(value) if isinstance(value, Mapping) else Position("", _natural(value))
    if not isinstance(since, Position):
        raise InvalidPositionError("An acknowledgement is an offset, or a position with epoch and offset.")
    return since
