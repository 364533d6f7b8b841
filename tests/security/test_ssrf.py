"""URLs that lead somewhere else than they seem to: callbacks that are probed, targets, `ENDPOINT_URL`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tests.factories import ApiGatewayFactory
from tests.support.commands import run
from websocket_gateway.conf import get_settings, is_loopback
from websocket_gateway.diagnostics.callback import RefusedAddressError, check_address, probe_callback
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.validators import validate_http_url

pytestmark = pytest.mark.django_db

ADDRESSES = [
    "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, Hetzner, OpenStack, IBM, Equinix
    "169.254.170.2",  # ECS
    "169.254.170.23",  # EKS Pod Identity
    "169.254.0.23",  # Tencent
    "169.254.169.250",  # Rancher
    "169.254.42.42",  # Scaleway
    "169.254.169.123",  # the clock of AWS
    "fe80::1%eth0",
    "fe80::a9fe:a9fe",
    "fd00:ec2::254",  # AWS over IPv6
    "FD00:0EC2:0:0::0254",
    "fd00:ec2::23",
    "fd20:ce::254",  # Google over IPv6
    "fd00:42::42",  # Scaleway over IPv6
    "100.100.100.200",  # Alibaba
    "192.0.0.192",  # Oracle
    "168.63.129.16",  # Azure
    "::ffff:169.254.169.254",  # IPv4-mapped
    "::ffff:a9fe:a9fe",
    "::FFFF:A9FE:A9FE",
    "0:0:0:0:0:ffff:a9fe:a9fe",
    "::ffff:168.63.129.16",
    "::ffff:100.100.100.200",
    "::ffff:0.0.0.0",
    "64:ff9b::a9fe:a9fe",  # NAT64
    "64:ff9b::169.254.169.254",
    "64:ff9b::100.100.100.200",
    "64:ff9b::192.0.0.192",
    "64:ff9b:1::a9fe:a9fe",  # NAT64 of a network's own
    "64:ff9b:1:a9fe:0:a9fe::",
    "2002:a9fe:a9fe::1",  # 6to4
    "2002:a83f:8110::",
    "2002:6464:64c8::1",
    "::ffff:0:169.254.169.254",  # IPv4-translated
    "::169.254.169.254",  # IPv4-compatible
    "::100.100.100.200",
    "2001:0:a9fe:a9fe::",  # Teredo, the server
    "2001:0:0:0:0:0:5601:5601",  # Teredo, the client
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
]
HOSTS = [
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0xA9FEA9FE", "025177524776", "0251.0376.0251.0376"),
    *("0xa9.0xfe.0xa9.0xfe", "0xa9.254.0251.254", "169.254.43518", "169.16689662", "0251.254.169.254"),
    *("[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]"),
    *("[fd00:ec2::254]", "[::169.254.169.254]", "[fe80::1]", "100.100.100.200", "1684301000", "0x646464c8"),
    *("168.63.129.16", "2822734096", "192.0.0.192", "0xc00000c0", "0.0.0.0", "0", "0x0", "[::]", "224.0.0.1"),
    *("metadata.google.internal", "METADATA.Google.Internal.", "metadata.google.internal.", "metadata"),
    *("metadata.goog", "metadata.goog.", "instance-data", "INSTANCE-DATA", "instance-data.ec2.internal"),
    *("169.254.169.254:80", "2852039166:8080", "[fd00:ec2::254]:80"),
]
"""As they may stand in a target URL, which `check_ws_settings --live` probes."""

TARGETS = [
    *(
        "https://evil.example.org/ws/",
        "https://www.example.com.evil.org/ws/",
        "https://evil-www.example.com/ws/",
    ),
    *("https://www.example.com@evil.example.org/ws/", "https://www.example.com:x@evil.example.org/ws/"),
    *("https://evil.example.org#www.example.com/ws/", "https://evil.example.org?www.example.com/ws/"),
    *("https://evil.example.org\\@www.example.com/ws/", "https://www.example.com\\.evil.org/ws/"),
    *("https://www.example.com%2eevil.org/ws/", "https://www.example.com%00.evil.org/ws/"),
    *("https://www.example.com\x00.evil.org/ws/", "https://www.example.com\n.evil.org/ws/"),
    *("https://www.example.com\t.evil.org/ws/", "https://www.example.com .evil.org/ws/"),
    *("https://www.ex\u0430mple.com/ws/", "https://www\u3002example.com/ws/", "https://www.example.com./ws/"),
    *("https:///evil.example.org/ws/", "https:evil.example.org/ws/", "//evil.example.org/ws/", "https://"),
    *("file:///etc/passwd", "gopher://www.example.com/", "ftp://www.example.com/ws/", "javascript:alert(1)"),
    *("dict://www.example.com:11211/", "https://[www.example.com]/ws/", "https://www.example.com:99999/ws/"),
    *("https://169.254.169.254/ws/", "https://[::1]/ws/", "https://localhost/ws/", "https://127.0.0.1/ws/"),
    *("https://0x7f.1/ws/", "https://sub.www.example.com/ws/", "https://example.com/ws/"),
    *("https://www.example.com'/ws/", "https://www.example.com/ws/'", "https://www.example.com:/@evil/ws/ x"),
]
"""For a route of a gateway whose target is www.example.com: none of them may get the origin secret."""

ENDPOINTS = [
    *(
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:70/",
        "127.0.0.1:9000",
        "//127.0.0.1:9000",
    ),
    *("http://", "http://:9000", "http:///x", "http://127.0.0.1:0", "http://127.0.0.1:99999", "http://[::1"),
    *("http://127.0.0.1:x", "javascript:alert(1)", "data:,x", " ", "localhost"),
]
"""Values of `ENDPOINT_URL` that are refused."""

NOT_LOOPBACK = [
    *("http://127.0.0.1.evil.org:9000", "http://localhost.evil.org", "http://127.0.0.1@evil.org"),
    *("http://localhost@evil.org", "http://evil.org#@localhost", "http://evil.org/localhost"),
    *("http://evil.org?localhost", "http://xlocalhost", "http://localhost.localdomain.evil.org"),
    *("http://2130706433", "http://0x7f000001", "http://0177.0.0.1", "http://127.1", "http://0.0.0.0"),
    *(
        "http://[::]",
        "http://[::ffff:10.0.0.1]",
        "http://169.254.169.254",
        "http://10.0.0.1",
        "http://[fe80::1]",
    ),
]
"""Not this machine, or not known to be: credentials are asked for."""

CASES = 158

_REASONS = "not an allowed target host|is not an http|must have no user name|beyond ASCII"


def test_the_tables_are_not_shortened() -> None:
    tables = [ADDRESSES, HOSTS, TARGETS, ENDPOINTS, NOT_LOOPBACK]
    assert sum(map(len, tables)) == CASES
    assert all(len(set(table)) == len(table) for table in tables)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_callback_goes_to_such_an_address(address: str) -> None:
    with pytest.raises(RefusedAddressError):
        check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.7",
        "203.0.113.9",
        "100.100.100.201",
        "2001:db8::1",
        "64:ff9b::203.0.113.9",
        "2002:cb00:7109::1",
    ],
)
def test_a_callback_may_go_to_such_an_address(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_a_host_is_probed(host: str) -> None:
    row = ApiGatewayFactory.create(target_base_endpoint=f"http://{host}/ws/")

    (finding,) = probe_callback(row)

    assert finding.id == "websocket_gateway.E109"


@pytest.mark.parametrize("url", TARGETS)
def test_no_other_target_gets_the_origin_secret(url: str, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_TARGET_HOSTS": ["www.example.com"]}

    ended = run("create_gateway", "chat", "--target", url, "--dry-run")

    assert (ended.status, bool(re.search(_REASONS, ended.stderr))) == (1, True), ended
    assert not ApiGateway.objects.exists()
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("url", ENDPOINTS)
def test_no_such_endpoint_is_taken(url: str, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": url}

    with pytest.raises(ConfigurationError, match="ENDPOINT_URL.* must be a URL"):
        get_settings()


@pytest.mark.parametrize("url", NOT_LOOPBACK)
def test_no_look_alike_is_taken_for_this_machine(url: str) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost", "http://x.localhost"]
)
def test_this_machine_is_recognized(url: str) -> None:
    assert is_loopback(url)


def test_a_target_of_the_same_host_is_a_target() -> None:
    validate_http_url("https://www.example.com/ws/")
    with pytest.raises(ValidationError):
        validate_http_url("https://www.example.com@evil.example.org/ws/")
