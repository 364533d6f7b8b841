"""The user of a connection comes from the backend that logged the user in, with what only that knows."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from django.contrib.auth import SESSION_KEY, authenticate
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.stack import Stack
from websocket_gateway.auth_backends import backend_of
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.signals import disconnected
from websocket_gateway.testing import FakeConnections
from websocket_gateway.views import WebSocketTokenView, WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]

MODEL = "django.contrib.auth.backends.ModelBackend"
DIRECTORY = f"{__name__}.DirectoryBackend"


class DirectoryBackend(BaseBackend):
    """As an LDAP backend: the user that it loads carries the groups, which no table holds."""

    known: ClassVar[bool] = True

    def authenticate(self, request: Any, **credentials: Any) -> Any:
        return self.get_user(credentials["pk"]) if "pk" in credentials else None

    def get_user(self, user_id: Any) -> Any:
        user: Any = User.objects.filter(pk=user_id).first() if self.known else None
        if user is not None:
            user.directory_groups = {"auth.view_user"}
        return user

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return user_obj.is_active and perm in getattr(user_obj, "directory_groups", ())


class StaffView(WebSocketView):
    permissions_required = ("auth.view_user",)
    left: ClassVar[list[bool]] = []

    def who(self, request: HttpRequest) -> dict[str, Any]:
        row: Any = self.websocket_session.user
        return {"user": request.user.pk, "same": row is request.user, "may": row.has_perm("auth.view_user")}

    async def awaited(self, request: HttpRequest) -> dict[str, Any]:
        return {"groups": sorted((await request.auser()).directory_groups)}  # type: ignore[union-attr]

    def disconnect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.left.append(request.user.has_perm("auth.view_user"))


from django.urls import path  # noqa: E402 - the views above

urlpatterns = [
    path("ws/<str:route>", StaffView.as_view()),
    path("public/<str:route>", StaffView.as_view(USE_WS_TOKEN=False)),
    path("token/", WebSocketTokenView.as_view()),
]


@pytest.fixture(autouse=True)
def directory(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUTHENTICATION_BACKENDS = [MODEL, DIRECTORY]
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr(DirectoryBackend, "known", True)
    StaffView.left.clear()


def logged_in(user: User, backend: str = DIRECTORY) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, backend=backend)
    return client


def opened(client: Client, base: str = "/ws/") -> Stack:
    stack = Stack(ApiGatewayFactory.create(), base=base, client=client)
    token = client.post("/token/").json()["token"] if base == "/ws/" else None
    assert stack.connect(token=token).status_code == 200
    return stack


@pytest.mark.parametrize("base", ["/ws/", "/public/"])
def test_connect_messages_and_disconnect_see_the_same_permissions(base: str) -> None:
    user = UserFactory.create()
    stack = opened(logged_in(user), base)

    assert stack.send({"handler": "who"}).json() == {"user": user.pk, "same": True, "may": True}
    assert stack.send({"handler": "awaited"}).json() == {"groups": ["auth.view_user"]}
    assert stack.disconnect().status_code == 200
    assert StaffView.left == [True]


def test_a_user_of_another_backend_has_no_permission_of_the_directory() -> None:
    client = logged_in(UserFactory.create(), MODEL)
    stack = Stack(ApiGatewayFactory.create(), client=client)

    assert stack.connect(token=client.post("/token/").json()["token"]).status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["removed", "unknown", "inactive"])
def test_a_user_whom_the_backend_no_longer_gives_is_refused_and_ends(
    settings: Any, monkeypatch: pytest.MonkeyPatch, fake_connections: FakeConnections, how: str
) -> None:
    user = UserFactory.create()
    client = logged_in(user)
    stack, late = opened(client), Stack(ApiGatewayFactory.create(), client=client)
    token = client.post("/token/").json()["token"]
    reasons: list[str] = []
    disconnected.connect(lambda reason, **kwargs: reasons.append(reason), weak=False, dispatch_uid="backends")

    if how == "removed":
        settings.AUTHENTICATION_BACKENDS = [MODEL]
    elif how == "unknown":
        monkeypatch.setattr(DirectoryBackend, "known", False)
    else:
        User.objects.filter(pk=user.pk).update(is_active=False)
    try:
        refused, ended = late.connect(token=token), stack.send({"handler": "who"})
    finally:
        disconnected.disconnect(dispatch_uid="backends")

    assert (refused.status_code, ended.status_code) == (403, 410)
    assert reasons == ["deactivated" if how == "inactive" else "backend"]
    assert fake_connections.closed == [stack.connection_id]
    assert stack.disconnect().status_code == 200


def test_the_backend_of_a_native_client_is_kept_with_the_token(settings: Any) -> None:
    user: Any = authenticate(None, pk=UserFactory.create().pk)

    issue_token(user)
    issue_token(User.objects.get(), backend=DIRECTORY)
    issue_token(User.objects.get())

    stored = WebSocketToken.objects.order_by("pk").values_list("auth_backend", flat=True)
    assert list(stored) == [DIRECTORY, DIRECTORY, ""]


def test_without_a_known_backend_the_row_of_the_user_counts() -> None:
    user = UserFactory.create(superuser=True)
    stack = Stack(ApiGatewayFactory.create())

    assert stack.connect(token=issue_token(user)).status_code == 200
    assert stack.send({"handler": "who"}).json()["user"] == user.pk


def test_the_session_of_somebody_who_acts_for_a_user_names_no_backend() -> None:
    admin, user = UserFactory.create(), UserFactory.create()
    request: Any = HttpRequest()
    request.session = logged_in(admin).session

    assert request.session[SESSION_KEY] == str(admin.pk)
    assert backend_of(request, admin) == DIRECTORY
    assert backend_of(request, user) == ""


class StrictBackend(ModelBackend):
    """Django's `get_user`, with a rule of its own about who may log in."""

    def user_can_authenticate(self, user: Any) -> bool:
        return user is not None and user.email != "left@example.com"


@pytest.mark.parametrize("backend", [MODEL, f"{__name__}.StrictBackend"])
def test_backend_that_loads_users_as_django_does_costs_no_statement(settings: Any, backend: str) -> None:
    settings.AUTHENTICATION_BACKENDS = [backend]
    user = UserFactory.create(superuser=True)
    client = logged_in(user, backend)
    stack = opened(client)
    stack.send({"_ws": {"type": "ping"}})

    with CaptureQueriesContext(connection) as captured:
        assert stack.send({"_ws": {"type": "ping"}}).json() == {"_ws": {"type": "pong"}}
    assert [query["sql"].split()[0] for query in captured.captured_queries] == ["SELECT"]
    assert WebSocketSession.objects.get().auth_backend == backend


@pytest.mark.usefixtures("fake_connections")
def test_rule_of_such_a_backend_holds_for_messages(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.StrictBackend"]
    user = UserFactory.create(superuser=True)
    stack = opened(logged_in(user, f"{__name__}.StrictBackend"))

    User.objects.update(email="left@example.com")

    assert stack.send({"handler": "who"}).status_code == 410
