"""The rooms of the chat. Each is a channel of the same name."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.template.loader import render_to_string


class Room(NamedTuple):
    """A room of the chat."""

    slug: str
    title: str


ROOMS: Final = (Room("lobby", "Lobby"), Room("kitchen", "Kitchen"), Room("workshop", "Workshop"))
LOBBY: Final = ROOMS[0]


def find_room(slug: str) -> Room | None:
    """Return the room with that name, or None."""
    return next((room for room in ROOMS if room.slug == slug), None)


def people_in(slug: str) -> QuerySet[User]:
    """Return the users who have this room open in a page."""
    present = User.objects.filter(websocket_sessions__connected=True, websocket_sessions__channel_name=slug)
    return present.distinct().order_by("username")


def render_people(slug: str) -> dict[str, str]:
    """Return a frame with HTML. The page replaces the content of the element with that id."""
    html = render_to_string("chat/_people.html", {"people": people_in(slug)})
    return {"type": "fragment", "target": "people", "room": slug, "html": html}
