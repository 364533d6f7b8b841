"""The two users of the demo. The login page shows their passwords: do not deploy this on the internet."""

from __future__ import annotations

from typing import Final, NamedTuple


class DemoUser(NamedTuple):
    """A user to log in as."""

    username: str
    password: str
    is_staff: bool


DEMO_USERS: Final = (
    DemoUser("ada", "engine-1843", is_staff=True),
    DemoUser("grace", "cobol-1959", is_staff=False),
)
