"""Where a stand-in is known to differ from API Gateway: who is right, and why. Anything else fails."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Known:
    """One difference."""

    target: str
    part: str
    case: str
    """Name of the case, or a pattern with `*`."""
    seen: str
    """A part of what is seen; another difference of the same case is not known."""
    right: str
    """`we` or the name of the other one."""
    why: str


KNOWN: tuple[Known, ...] = ()


def find_known(target: str, part: str, case: str, seen: str) -> Known | None:
    """The known difference that explains what was seen; None if there is none."""
    return next(
        (
            item
            for item in KNOWN
            if item.target == target
            and item.part == part
            and fnmatchcase(case, item.case)
            and item.seen in seen
        ),
        None,
    )
