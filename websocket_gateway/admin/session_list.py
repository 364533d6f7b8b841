"""What keeps the list of sessions fast on a million rows: bounded counts, filters and searches by index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models import ApiGateway, ChannelSubscription, WebSocketSession

MOST_LISTED = 10_000
_MOST_SUBSCRIBED = 500
_MOST_GATEWAYS = 50
_LARGEST_KEY = 2**63 - 1
"""No database has a larger one, and SQLite breaks on one."""
_EVERY = "all"
_AGES = {
    "5min": (_("Less than 5 minutes ago"), timedelta(minutes=5), True),
    "1h": (_("Less than an hour ago"), timedelta(hours=1), True),
    "older": (_("More than an hour ago"), timedelta(hours=1), False),
    "2h": (_("More than 2 hours ago"), timedelta(hours=2), False),
}


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages through the first 10,000 rows and counts no further: a filter or a search leads to the others."""

    @cached_property
    def count(self) -> int:
        """The number of rows, or 10,000 where there are more."""
        return int(self.object_list[:MOST_LISTED].count())  # type: ignore[attr-defined]


class _Filter(admin.SimpleListFilter):
    """A filter whose choices are known without asking the table."""

    def has_output(self) -> bool:
        return True


class StateFilter(_Filter):
    """Those that are open, unless asked for others."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The states."""
        return [("ended", _("Ended")), (_EVERY, _("All"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """As Django's, but what is shown by itself has its own name."""
        for index, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": _("Open now")} if index == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow by the index of each column that begins with it."""
        if self.value() == _EVERY:
            return queryset
        return queryset.filter(connected=self.value() != "ended")


class GatewayFilter(_Filter):
    """Those of one gateway."""

    title = _("API gateway")
    parameter_name = "gateway"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The gateways there are."""
        return [
            (str(pk), name) for pk, name in ApiGateway.objects.values_list("pk", "api_name")[:_MOST_GATEWAYS]
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow to one."""
        value = self.value()
        if not value or not value.isdecimal():
            return queryset
        return queryset.filter(api_gateway_id=min(int(value), _LARGEST_KEY))


class AgeFilter(_Filter):
    """Those that connected lately, or long ago."""

    title = _("connected")
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The ages."""
        return [(key, words) for key, (words, *_rest) in _AGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow by the time of `$connect`."""
        if self.value() not in _AGES:
            return queryset
        _words, age, younger = _AGES[str(self.value())]
        since = timezone.now() - age
        return queryset.filter(**{"created_on__gte" if younger else "created_on__lt": since})


class UserFilter(_Filter):
    """Those of the user whose page led here; shown only then."""

    title = _("user")
    parameter_name = "user"

    def has_output(self) -> bool:
        """Only where one is chosen."""
        return self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The one that is chosen."""
        chosen = request.GET.get(self.parameter_name)
        return [(chosen, _("number %s") % chosen)] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow to one; a value that no user can have narrows to none."""
        if not self.value():
            return queryset
        user_id = get_user_model()._meta.pk
        try:
            key = user_id.to_python(self.value())
            if isinstance(key, int):
                key = min(key, _LARGEST_KEY)
            return queryset.filter(user_id=key)
        except Exception:  # noqa: BLE001 - whatever kind of key a project has says no in its own way
            return queryset.none()


def ordering_of(request: HttpRequest) -> tuple[str, ...]:
    """The newest first, along an index whatever is filtered: `created_on` and primary keys rise together."""
    narrowed = request.GET.keys() & {"gateway", "user", "q"}
    along_age = not narrowed and request.GET.get("state") != _EVERY
    return ("-created_on",) if along_age else ("-pk",)


def found_by(term: str, queryset: QuerySet[WebSocketSession]) -> QuerySet[WebSocketSession]:
    """The sessions that `term` names exactly: a connection id, a user name, or a channel."""
    users = get_user_model()._default_manager.filter(**{get_user_model().USERNAME_FIELD: term})
    subscribed = ChannelSubscription.objects.filter(channel_name=term).order_by("-session_id")
    # Both as values: an OR with a subquery in it would leave the indexes.
    user_ids = list(users.values_list("pk", flat=True)[:10])
    session_ids = list(subscribed.values_list("session_id", flat=True)[:_MOST_SUBSCRIBED])
    found = Q(connection_id=term) | Q(channel_name=term)
    if user_ids:
        found |= Q(user_id__in=user_ids)
    if session_ids:
        found |= Q(pk__in=session_ids)
    return queryset.filter(found)
