"""Users that change behind a page's back, and tabs that lose their user, in three browsers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from tests.end_to_end.browsing import DrivenWorld, expect_state
from tests.end_to_end.chromium import in_browsers
from tests.end_to_end.pages import ToldTokenView
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.purging import Part, purge

pytestmark = [
    *in_browsers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]


def test_the_page_of_a_user_ends_when_another_logs_in_and_nothing_is_done_in_the_others_name(
    driven: DrivenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = driven.profile()
    tab = driven.open(profile)
    grace = User.objects.create_user("grace")

    monkeypatch.setattr(ToldTokenView, "status", 502)
    driven.cut_every_socket()
    expect_state(tab, "reconnecting: unreachable")
    tab.evaluate(
        "void (window.reply = client.request('keep', { n: 1 }, { timeout: Infinity })"
        ".catch(({ message }) => message))"
    )
    driven.log_in(profile, grace)
    monkeypatch.setattr(ToldTokenView, "status", 0)
    expect_state(tab, "closed: user_changed")

    assert tab.evaluate("reply") == "The connection is closed: user_changed."
    assert not WebSocketSession.objects.filter(user=grace).exists()
    assert WebSocketToken.objects.filter(user=grace, used_on=None).exists()
    other = driven.open(profile)  # grace's own page
    assert other.evaluate("client.request('keep', { n: 2 })") == {"kept": 2}


def test_pages_of_two_users_share_no_socket(driven: DrivenWorld) -> None:
    profile = driven.profile()
    # Not by the key that these pages give: by the mark alone.
    driven.open(profile, share=True, shareKey="")
    driven.log_in(profile, User.objects.create_user("grace"))
    driven.open(profile, share=True, shareKey="")

    assert len(driven.gateway.connections()) == 2


def test_who_logs_in_again_in_another_tab_brings_the_first_back(driven: DrivenWorld) -> None:
    profile = driven.profile()
    tab = driven.open(profile)
    driven.log_in(profile, None)
    driven.cut_every_socket()
    expect_state(tab, "closed: unauthorized")

    driven.log_in(profile, driven.user)
    driven.open(profile)
    expect_state(tab, "open")


def test_a_new_tab_makes_a_shared_connection_that_had_ended_begin_again(driven: DrivenWorld) -> None:
    profile = driven.profile()
    leader = driven.open(profile, share=True)
    driven.log_in(profile, None)
    driven.cut_every_socket()
    expect_state(leader, "closed: unauthorized")

    driven.log_in(profile, driven.user)
    other = driven.open(profile, share=True)
    expect_state(leader, "open")

    assert len(driven.gateway.connections()) == 1
    assert other.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}


@pytest.mark.parametrize("missing", ["leave to lock", "locks", "BroadcastChannel"])
def test_where_locks_or_channels_are_missing_or_denied_each_tab_has_its_own_connection(
    driven: DrivenWorld, missing: str
) -> None:
    profile = driven.profile()

    tabs = [driven.open(profile, share=True, without=missing) for _ in range(2)]

    assert len(driven.gateway.connections()) == 2
    assert [tab.evaluate("client.request('keep', { n: 1 })") for tab in tabs] == [{"kept": 1}] * 2


def a_minute_passes() -> None:
    WebSocketSession.objects.update(last_seen_on=timezone.now() - timedelta(seconds=61))


def test_page_whose_session_gets_a_new_key_loses_no_request_and_stays_logged_in(driven: DrivenWorld) -> None:
    profile = driven.profile()
    tab = driven.open(profile)
    (before,) = WebSocketSession.objects.all()
    profile.open(f"{driven.site.url}/new-key/").close()
    a_minute_passes()

    assert tab.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}

    # A ping of the client may have met the end, and the request was answered just before.
    driven.gateway.wait_until(lambda: WebSocketSession.objects.count() == 2)
    expect_state(tab, "open")
    old, new = WebSocketSession.objects.order_by("pk")
    assert (old, old.connected, new.connected) == (before, False, True)
    assert (new.user, new.session_key_hash != old.session_key_hash) == (driven.user, True)
    a_minute_passes()
    assert tab.evaluate("client.request('keep', { n: 2 })") == {"kept": 2}
    assert WebSocketSession.objects.filter(connected=True).get() == new


def test_page_whose_session_was_deleted_is_closed_and_comes_back_with_the_next_login(
    driven: DrivenWorld,
) -> None:
    profile = driven.profile()
    tab = driven.open(profile)
    Session.objects.all().delete()

    assert purge(only=[Part.LOGINS]).counts == {"sessions_ended_logged_out": 1}
    expect_state(tab, "closed: unauthorized")

    driven.log_in(profile, driven.user)
    driven.open(profile)
    expect_state(tab, "open")
