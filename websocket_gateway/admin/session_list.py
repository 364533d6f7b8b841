"""The list of sessions, fast with a million rows: bounded counts, filters and searches along an index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Case, Model, Q, QuerySet, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models import ApiGateway, ChannelSubscription, WebSocketSession

if TYPE_CHECKING:
    from django.contrib.admin.filters import _ListFilterChoices
    from django.contrib.admin.views.main import ChangeList
    from django.utils.functional import _StrOrPromise

_MOST_SUBSCRIBED = 500
_MOST_GATEWAYS = 50
_MOST_USERS = 50
_LARGEST_KEY = 2**63 - 1
"""The largest primary key of any database. SQLite raises an error for a larger one."""
EVERY = "all"
_AGES = {
    "5min": (_("Less than 5 minutes ago"), timedelta(minutes=5), True),
    "1h": (_("Less than an hour ago"), timedelta(hours=1), True),
    "older": (_("More than an hour ago"), timedelta(hours=1), False),
    "2h": (_("More than 2 hours ago"), timedelta(hours=2), False),
}


class _Filter(admin.SimpleListFilter):
    """A filter whose choices need no query on the table of sessions."""

    def has_output(self) -> bool:
        return True


class StateFilter(_Filter):
    """Open sessions by default; ended ones or all on request."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, _StrOrPromise]]:
        """Return the states."""
        return [("ended", _("Ended")), (EVERY, _("All"))]

    def choices(self, changelist: ChangeList) -> Iterator[_ListFilterChoices]:
        """Yield the choices of Django, with a name for the default."""
        for index, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": _("Open now")} if index == 0 else choice

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebSocketSession]
    ) -> QuerySet[WebSocketSession]:
        """Filter by state, with which the indexes begin."""
        if self.value() == EVERY:
            return queryset
        return queryset.filter(connected=self.value() != "ended")


class GatewayFilter(_Filter):
    """The sessions of one gateway."""

    title = _("API gateway")
    parameter_name = "gateway"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, _StrOrPromise]]:
        """Return the gateways."""
        return [
            (str(pk), name) for pk, name in ApiGateway.objects.values_list("pk", "api_name")[:_MOST_GATEWAYS]
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebSocketSession]
    ) -> QuerySet[WebSocketSession]:
        """Filter by gateway."""
        value = self.value()
        if not value or not value.isdecimal():
            return queryset
        return queryset.filter(api_gateway_id=min(int(value), _LARGEST_KEY))


class AgeFilter(_Filter):
    """Sessions by the time since `$connect`."""

    title = _("connected")
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, _StrOrPromise]]:
        """Return the ages."""
        return [(key, text) for key, (text, *_rest) in _AGES.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebSocketSession]
    ) -> QuerySet[WebSocketSession]:
        """Filter by the time of `$connect`."""
        if self.value() not in _AGES:
            return queryset
        _text, age, younger = _AGES[str(self.value())]
        since = timezone.now() - age
        return queryset.filter(**{"created_on__gte" if younger else "created_on__lt": since})


class UserFilter(_Filter):
    """The sessions of one user. Shown only after following the link on the page of a user."""

    title = _("user")
    parameter_name = "user"

    def has_output(self) -> bool:
        """Show the filter only if a user is selected."""
        return self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, _StrOrPromise]]:
        """Return the selected user."""
        selected = request.GET.get(self.parameter_name)
        return [(selected, _("number %s") % selected)] if selected else []

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebSocketSession]
    ) -> QuerySet[WebSocketSession]:
        """Filter by user. A value that cannot be the key of a user finds no session."""
        if not self.value():
            return queryset
        user_id = get_user_model()._meta.pk
        try:
            key = user_id.to_python(self.value())
            if isinstance(key, int):
                key = min(key, _LARGEST_KEY)
            return queryset.filter(user_id=key)
        except Exception:  # noqa: BLE001 - the key field of a project can raise any exception
            return queryset.none()


def ordering_of(request: HttpRequest) -> tuple[str, ...]:
    """Return the order newest first, along an index: primary keys ascend with `created_on`."""
    narrowed = request.GET.keys() & {"gateway", "user", "q"}
    along_age = not narrowed and request.GET.get("state") != EVERY
    return ("-created_on",) if along_age else ("-pk",)


def found_by(
    term: str, queryset: QuerySet[WebSocketSession], *, by_email: bool = False
) -> QuerySet[WebSocketSession]:
    """Return the sessions for a whole connection id or channel, or a part of a user name or an e-mail."""
    subscribed = ChannelSubscription.objects.filter(channel_name=term).order_by("-session_id")
    # Both as values: with a subquery in the OR, the indexes would not be used.
    user_ids = _find_users(term, by_email=by_email)
    session_ids = list(subscribed.values_list("session_id", flat=True)[:_MOST_SUBSCRIBED])
    found = Q(connection_id=term) | Q(channel_name=term)
    if user_ids:
        found |= Q(user_id__in=user_ids)
    if session_ids:
        found |= Q(pk__in=session_ids)
    return queryset.filter(found)


def _find_users(term: str, *, by_email: bool) -> list[object]:
    """The keys of at most 50 users: of that very name first, then of those that the term is a part of."""
    model = get_user_model()
    name, email = model.USERNAME_FIELD, getattr(model, "EMAIL_FIELD", "")
    exact = wanted = Q(**{name: term})
    for field in (name, email) if by_email else (name,):
        if is_text(model, field):
            wanted |= Q(**{f"{field}__icontains": term})
    try:
        found = model._default_manager.filter(wanted).order_by(Case(When(exact, then=0), default=1), "pk")
        return list(found.values_list("pk", flat=True)[:_MOST_USERS])
    except (ValueError, TypeError, ValidationError):
        return []  # the name of a user can be a number, which the term is not


def is_text(model: type[Model], name: str) -> bool:
    """Whether a model has a field of that name that holds plain text, of which a part can be searched."""
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return field.concrete and field.get_internal_type() in ("CharField", "TextField", "EmailField")
