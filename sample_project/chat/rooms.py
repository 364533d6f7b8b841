"""The rooms. Each is a channel of the same name."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.template.loader import render_to_string


class Room(NamedTuple):
    """Somewhere to talk."""

    slug: str
    title: str


ROOMS: Final = (Room("lobby", "Lobby"), Room("kitchen", "Kitchen"), Room("workshop", "Workshop"))
LOBBY: Final = ROOMS[0]


def find_room(slug: str) -> Room | None:
    """The room with that name, if there is one."""
    return next((room for room in ROOMS if room.slug == slug), None)


def people_in(slug: str) -> QuerySet[User]:
    """Who has this room open in a page."""
    here = User.objects.filter(websocket_sessions__connected=True, websocket_sessions__channel_name=slug)
    return here.distinct().order_by("username")


def render_people(slug: str) -> dict[str, str]:
    """A frame that carries HTML: the page puts it in place of the element with that id."""
    html = render_to_string("chat/_people.html", {"people": people_in(slug)})
    return {"type": "fragment", "target": "people", "room": slug, "html": html}
