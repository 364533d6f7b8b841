"""Origins are compared whole, and over a real socket a foreign one opens nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.servers import NEEDS_COMMITS
from tests.security.world import World
from tests.support.rawhttp import add, add_first, put
from websocket_gateway.receiving.origins import is_allowed_origin, parse_origin


@pytest.fixture(autouse=True)
def bare_settings(settings: Any) -> None:
    settings.ALLOWED_HOSTS = []
    settings.CSRF_TRUSTED_ORIGINS = []
    settings.DEBUG = False


PATTERNS = [
    pytest.param("https://www.example.com", "https://www.example.com", True, id="same"),
    pytest.param("https://www.example.com", "https://WWW.Example.COM", True, id="host in other case"),
    pytest.param("https://www.example.com:443", "https://www.example.com", True, id="default port"),
    pytest.param("https://www.example.com", "https://www.example.com:443", True, id="port spelt out"),
    pytest.param("https://www.example.com", "http://www.example.com", False, id="other scheme"),
    pytest.param("https://www.example.com", "https://www.example.com:8443", False, id="other port"),
    pytest.param("https://www.example.com", "https://example.com", False, id="parent"),
    pytest.param("https://example.com", "https://www.example.com", False, id="sub-domain"),
    pytest.param("https://example.com", "https://example.com.evil.org", False, id="suffix added"),
    pytest.param("https://example.com", "https://evilexample.com", False, id="prefix added"),
    pytest.param("https://example.com", "https://example.com@evil.org", False, id="user info"),
    pytest.param("https://example.com", "https://evil.org/https://example.com", False, id="path"),
    pytest.param("https://example.com", "https://evil.org?https://example.com", False, id="query"),
    pytest.param("https://example.com", "https://evil.org#https://example.com", False, id="fragment"),
    pytest.param("https://example.com", "https://example.com/", False, id="trailing slash"),
    pytest.param("https://example.com", "https://example.com.", False, id="trailing dot"),
    pytest.param("https://example.com", "https://example.com,https://evil.org", False, id="two origins"),
    pytest.param("https://example.com", "https://example.com\n", False, id="newline"),
    pytest.param("https://example.com", "https://example.com\\@evil.org", False, id="backslash"),
    pytest.param("https://example.com", "https://example.com:99999", False, id="impossible port"),
    pytest.param("https://example.com", "https://exampl\u00e9.com", False, id="not ASCII"),
    pytest.param("https://example.com", "https://[::1", False, id="broken IPv6"),
    pytest.param("https://example.com", "null", False, id="null"),
    pytest.param("https://example.com", "", False, id="empty"),
    pytest.param("https://example.com", "https://", False, id="no host"),
    pytest.param("null", "null", False, id="null is never allowed"),
    pytest.param("*", "https://example.com", False, id="a star implies nothing"),
    pytest.param("https://*", "https://example.com", False, id="nor does a star as host"),
    pytest.param("https://*.example.com", "https://a.example.com", True, id="wildcard"),
    pytest.param("https://*.example.com", "https://a.b.example.com", True, id="wildcard, two levels"),
    pytest.param("https://*.example.com", "https://example.com", True, id="wildcard, as Django has it"),
    pytest.param("https://*.example.com", "https://evilexample.com", False, id="wildcard is no suffix"),
    pytest.param("https://*.example.com", "http://a.example.com", False, id="wildcard keeps the scheme"),
    pytest.param("https://*.example.com", "https://*.example.com", False, id="wildcard as an origin"),
    pytest.param("https://*.example.com", "https://.example.com", False, id="dot as an origin"),
    pytest.param("https://*.example.com:8443", "https://a.example.com:8443", True, id="wildcard with port"),
    pytest.param("https://*.example.com:8443", "https://a.example.com", False, id="wildcard, other port"),
    pytest.param("http://[::1]:8000", "http://[::1]:8000", True, id="IPv6"),
]


@pytest.mark.parametrize(("allowed", "origin", "expected"), PATTERNS)
def test_origin_is_compared_whole(settings: Any, allowed: str, origin: str, expected: bool) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [allowed]}

    assert is_allowed_origin(origin) is expected


HOSTS = [
    pytest.param("www.example.com", "https://www.example.com", True, id="exact"),
    pytest.param("WWW.example.com", "https://www.example.com", True, id="exact in other case"),
    pytest.param("www.example.com", "http://www.example.com", False, id="https only"),
    pytest.param("www.example.com", "https://www.example.com:8443", False, id="default port only"),
    pytest.param(".example.com", "https://example.com", True, id="dotted, itself"),
    pytest.param(".example.com", "https://a.b.example.com", True, id="dotted, sub-domain"),
    pytest.param(".example.com", "https://badexample.com", False, id="dotted is no suffix"),
    pytest.param("*", "https://example.com", False, id="star implies nothing"),
    pytest.param("[::1]", "https://[::1]", True, id="IPv6"),
    pytest.param("192.0.2.1", "https://192.0.2.1", True, id="IPv4"),
]


@pytest.mark.parametrize(("host", "origin", "expected"), HOSTS)
def test_every_form_of_allowed_hosts_counts_by_https(
    settings: Any, host: str, origin: str, expected: bool
) -> None:
    settings.ALLOWED_HOSTS = [host]

    assert is_allowed_origin(origin) is expected


def test_trusted_csrf_origins_count(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com", "http://intra:8000"]

    assert is_allowed_origin("https://www.example.com")
    assert is_allowed_origin("http://intra:8000")
    assert not is_allowed_origin("http://intra")


def test_explicit_list_replaces_what_django_allows(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["www.example.com"]
    settings.DEBUG = True
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": []}

    assert not is_allowed_origin("https://www.example.com")
    assert not is_allowed_origin("http://localhost:8000")


@pytest.mark.parametrize("origin", ["http://localhost:8000", "http://127.0.0.1:3000", "https://localhost"])
def test_debug_allows_any_port_of_this_machine(settings: Any, origin: str) -> None:
    assert not is_allowed_origin(origin)

    settings.DEBUG = True

    assert is_allowed_origin(origin)


@pytest.mark.parametrize("origin", ["http://localhost.evil.org", "http://127.0.0.2", "http://a.localhost"])
def test_debug_allows_nothing_that_looks_like_this_machine(settings: Any, origin: str) -> None:
    settings.DEBUG = True

    assert not is_allowed_origin(origin)


def test_port_zero_is_not_the_default_port() -> None:
    assert parse_origin("https://example.com:0") == ("https", "example.com", 0)


FOREIGN = [
    *(b"https://evil.example.org", b"null", b"NULL", b"", b"*", b"https://", b"https://www.example.com/"),
    *(b"http://www.example.com", b"https://www.example.com:8443", b"https://www.example.com."),
    *(b"https://www.example.com.evil.org", b"https://evil-www.example.com", b"https://example.com"),
    *(
        b"https://sub.www.example.com",
        b"https://www.example.com@evil.org",
        b"https://evil.org#www.example.com",
    ),
    *(b"https://www.example.com, https://evil.org", b"https://www.example.com https://evil.org"),
    *(
        b"https://www.example.com\\.evil.org",
        b"https://www.example.com%2eevil.org",
        b"https://www.ex\xe4mple.com",
    ),
    *(
        b"wss://www.example.com",
        b"file://",
        b"chrome-extension://abcdefgh",
        b"javascript:alert(1)",
        b"www.example.com",
    ),
    *(b"https://127.0.0.1", b"https://[::1]", b"https://localhost", b"https://www.example.com:443:443"),
]
"""Sent as they are, where https://www.example.com is the only one that is allowed."""
CASES = 78


def test_the_tables_are_not_shortened() -> None:
    assert len(PATTERNS) + len(HOSTS) + len(FOREIGN) == CASES


@pytest.mark.django_db(transaction=NEEDS_COMMITS)
@pytest.mark.urls("tests.security.site")
class TestOverASocket:
    """A `$connect` with everything right except the origin."""

    def test_a_foreign_origin_opens_nothing(self, world: World) -> None:
        genuine, before = world.genuine("connect"), world.rows()

        accepted = {}
        for origin in FOREIGN:
            answer = world.attack(put("Origin", origin)(genuine))
            world.assert_no_secret(answer)
            if answer.status not in (400, 403) or world.rows() != before:
                accepted[origin] = answer.raw

        assert accepted == {}
        assert world.handled() == []

    def test_two_origins_open_nothing(self, world: World) -> None:
        genuine, before = world.genuine("connect"), world.rows()

        for change in (add("Origin", "https://evil.org"), add_first("Origin", "https://evil.org")):
            assert 400 <= world.attack(change(genuine)).status < 500

        assert (world.handled(), world.rows()) == ([], before)
