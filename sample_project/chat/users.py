"""The two users of the demo. On this machine alone the login page shows their passwords."""

from __future__ import annotations

from typing import Final, NamedTuple

from project.exposure import EXPOSED, load_secret


class DemoUser(NamedTuple):
    """A user to log in as."""

    username: str
    password: str
    is_staff: bool


PUBLISHED: Final = {"ada": "engine-1843", "grace": "cobol-1959"}
DEMO_USERS: Final = (
    DemoUser("ada", load_secret("ada", PUBLISHED["ada"]), is_staff=not EXPOSED),
    DemoUser("grace", load_secret("grace", PUBLISHED["grace"]), is_staff=False),
)
