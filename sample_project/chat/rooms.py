"""The rooms of the chat. Each is a channel of the same name, and a second one for who is there."""

from __future__ import annotations

from typing import Final, NamedTuple


class Room(NamedTuple):
    """A room of the chat."""

    slug: str
    title: str

    @property
    def here(self) -> str:
        """The channel of the pages that show the room."""
        return f"here_{self.slug}"


ROOMS: Final = (Room("lobby", "Lobby"), Room("kitchen", "Kitchen"), Room("workshop", "Workshop"))
LOBBY: Final = ROOMS[0]


def find_room(slug: str) -> Room | None:
    """Return the room with that name, or None."""
    return next((room for room in ROOMS if room.slug == slug), None)
