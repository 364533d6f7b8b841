"""The inbox around the socket: templates, the command, the purge, the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.core.checks import CheckMessage
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.template import engines
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone
from django.views.generic import TemplateView

from tests.factories import UserFactory
from websocket_gateway.channels import history, inbox
from websocket_gateway.checks import check_project
from websocket_gateway.mixins import ResumeChannelsMixin
from websocket_gateway.models import Channel, ChannelCursor, ChannelMessage
from websocket_gateway.purging import Part, count_purgeable, purge
from websocket_gateway.sending import abroadcast, broadcast

pytestmark = pytest.mark.django_db(transaction=True)

CHANNELS = {"user_*": {"HISTORY_MESSAGES": 100, "ACKS": True}}


@pytest.fixture(autouse=True)
def channels(fake_connections: Any) -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}):
        yield


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada")
    broadcast({"n": 1}, user=user, inbox=True)
    broadcast({"n": 2}, user=user, inbox=True)
    return user


def render(source: str, user: object, **context: object) -> str:
    request = RequestFactory().get("/")
    request.user = user  # type: ignore[assignment]
    return engines["django"].from_string("{% load websocket_gateway %}" + source).render(context, request)


def config_of(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.split(">", 1)[1].split("</script>")[0])
    return found


def test_a_page_shows_the_number_and_hands_it_to_the_client(
    ada: User, django_assert_num_queries: Any
) -> None:
    page = render("<b>{% inbox_unread %}</b>{% websocket_client %}", ada)
    assert page.startswith("<b>2</b>")
    config = config_of(page.removeprefix("<b>2</b>"))
    assert (config["inbox"], config["unread"]) == (inbox.channel(ada), 2)

    with django_assert_num_queries(1):
        assert render("{% inbox_unread as number %}{{ number|add:1 }}", ada) == "3"
    assert config_of(render("{% websocket_client unread=7 %}", ada))["unread"] == 7


def test_a_page_of_nobody_or_without_inboxes_has_none(ada: User) -> None:
    assert render("{% inbox_unread %}", AnonymousUser()) == "0"
    assert "inbox" not in config_of(render("{% websocket_client %}", AnonymousUser()))
    with override_settings(WEBSOCKET_GATEWAY={}):
        assert render("{% inbox_unread %}", ada) == "0"
        assert "inbox" not in config_of(render("{% websocket_client %}", ada))


def test_a_view_counts_for_its_template(ada: User) -> None:
    class Page(ResumeChannelsMixin, TemplateView):
        counts_inbox = True

        def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
            return HttpResponse(str(context["inbox_unread"]))

    for user, number in ((ada, "2"), (AnonymousUser(), "0")):
        request = RequestFactory().get("/")
        request.user = user
        assert Page.as_view()(request).content.decode() == number


@pytest.mark.urls("tests.views.token_urls.elsewhere")
def test_the_token_names_the_inbox(ada: User, client: Client) -> None:
    client.force_login(ada)
    assert client.post("/token/").json()["inbox"] == inbox.channel(ada)
    with override_settings(WEBSOCKET_GATEWAY={}):
        assert "inbox" not in client.post("/token/").json()


def test_the_command_leaves_a_message(ada: User) -> None:
    call_command("broadcast", "--user", "ada", "--inbox", '{"n": 3}', stdout=StringIO(), stderr=StringIO())

    assert [message.data for message in history.messages(inbox.channel(ada))] == [{"n": n} for n in (1, 2, 3)]
    assert inbox.unread(ada) == 3


@pytest.mark.parametrize("arguments", [["news"], ["--all"]])
def test_the_command_needs_a_user(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="--inbox needs --user NAME"):
        call_command("broadcast", *arguments, "--inbox", "--message", '{"n": 3}')


def test_the_command_says_how_to_declare_inboxes(ada: User) -> None:
    with override_settings(WEBSOCKET_GATEWAY={}), pytest.raises(CommandError, match="Declare inboxes"):
        call_command("broadcast", "--user", "ada", "--inbox", '{"n": 3}')


def test_the_same_from_async_code(ada: User) -> None:
    async def trial() -> list[object]:
        await abroadcast({"n": 3}, user=ada, inbox=True)
        return [
            await inbox.aunread(ada),
            await inbox.aunread_of([ada]),
            await inbox.aacknowledge(ada, 1),
            await inbox.aunread(ada),
        ]

    assert async_to_sync(trial)() == [3, {ada.pk: 3}, True, 2]


def test_the_purge_deletes_what_counts_for_nothing(ada: User) -> None:
    bob, eve = UserFactory.create_batch(2)
    for user in (bob, eve):
        broadcast({"n": 1}, user=user, inbox=True)
    for user in (ada, bob, eve):
        inbox.acknowledge(user, 1)
    Channel.objects.filter(name=inbox.channel(bob)).update(epoch="another")
    User.objects.filter(pk=eve.pk)._raw_delete("default")
    assert count_purgeable(only=[Part.HISTORY]).counts["cursors_deleted"] == 0
    ChannelCursor.objects.update(updated_on=timezone.now() - timedelta(days=2))
    assert count_purgeable(only=[Part.HISTORY]).counts["cursors_deleted"] == 2

    assert purge(only=[Part.HISTORY]).counts["cursors_deleted"] == 2

    assert ChannelCursor.objects.get().user_id == ada.pk
    assert purge(only=[Part.HISTORY]).counts["cursors_deleted"] == 0


def test_expired_messages_are_not_unread_before_nor_after_the_purge(ada: User) -> None:
    ChannelMessage.objects.filter(offset=1).update(created_on=timezone.now() - timedelta(days=2))
    assert inbox.unread(ada) == 1
    purge(only=[Part.HISTORY])
    assert inbox.unread(ada) == 1
    assert ChannelMessage.objects.count() == 1


def found(settings: dict[str, Any]) -> list[CheckMessage]:
    with override_settings(WEBSOCKET_GATEWAY=settings):
        return [message for message in check_project() if "CHANNELS" in message.msg]


def test_a_check_reports_inboxes_that_keep_nothing() -> None:
    (message,) = found({"CHANNELS": {"user_*": {"ACKS": True}}})
    assert message.id == "websocket_gateway.E001"
    assert "ACKS needs a history: set HISTORY_MESSAGES above 0." in message.msg
    assert found({"CHANNELS": CHANNELS}) == []
    (wrong,) = found({"CHANNELS": {"user_*": {"ACK": True}}})
    assert "Did you mean 'ACKS'?" in wrong.msg
