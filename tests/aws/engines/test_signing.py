"""Our signatures against botocore's own, byte for byte."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.utils import percent_encode
from hypothesis import given
from hypothesis import strategies as st

from websocket_gateway.aws.credentials import Credentials
from websocket_gateway.aws.engines.signing import Payload, Signer, host_header

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
URL = "https://abc123.execute-api.eu-central-1.amazonaws.com/production"


def parsed(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    return line, dict(text.split(": ", 1) for text in lines), body


def by_botocore(
    url: str, region: str, keys: Credentials, moment: float, connection_id: str, data: bytes
) -> AWSRequest:
    now = datetime.fromtimestamp(int(moment), tz=timezone.utc)

    class Auth(botocore.auth.SigV4Auth):
        def add_auth(self, request: Any) -> None:
            request.context["timestamp"] = now.strftime(botocore.auth.SIGV4_TIMESTAMP)
            self._modify_request_before_signing(request)  # type: ignore[attr-defined]
            canonical = self.canonical_request(request)
            signature = self.signature(self.string_to_sign(request, canonical), request)
            self._inject_signature_to_request(request, signature)  # type: ignore[attr-defined]

    path = f"{url}/@connections/{percent_encode(connection_id)}"
    request = AWSRequest(method="POST", url=path, data=data)
    Auth(ReadOnlyCredentials(*keys), "execute-api", region).add_auth(request)
    return request


ids = st.text(min_size=1, max_size=80).filter(lambda text: text not in (".", "..")).filter(
    lambda text: not any(0xD800 <= ord(letter) < 0xE000 for letter in text)
) | st.from_regex(r"[A-Za-z0-9_-]{11,15}=", fullmatch=True)
urls = st.sampled_from(
    [
        URL,
        URL + "/",
        "https://ws.example.com",
        "https://ws.example.com/chat",
        "https://ws.example.com:443/a%20b/$-_.+!*'()",
        "http://127.0.0.1:9000/_api/abc123/production",
        "http://[::1]:9000/_api/abc123/production",
        "https://abc123.execute-api.cn-north-1.amazonaws.com.cn/live",
    ]
)


@given(
    url=urls,
    region=st.sampled_from(["eu-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"]),
    token=st.none() | st.text(alphabet="ABCabc012+/= ", min_size=1, max_size=60).filter(str.strip),
    moment=st.floats(min_value=0, max_value=4_102_444_800),
    connection_id=ids,
    data=st.binary(max_size=300),
)
def test_a_signed_request_is_the_one_botocore_would_send(
    url: str, region: str, token: str | None, moment: float, connection_id: str, data: bytes
) -> None:
    keys = KEYS._replace(token=token)
    expected = by_botocore(url.rstrip("/"), region, keys, moment, connection_id, data)

    signer = Signer(url, region, keys, clock=lambda: moment)
    line, headers, body = parsed(signer.request(connection_id, Payload(data)))

    assert headers["Authorization"] == expected.headers["Authorization"]
    assert headers["X-Amz-Date"] == expected.headers["X-Amz-Date"]
    if token:
        assert headers["X-Amz-Security-Token"] == " ".join(token.split())
    assert headers["Content-Length"] == str(len(data))
    assert body == data
    target = "/" + str(expected.url).split("://", 1)[1].partition("/")[2]
    assert line == f"POST {target} HTTP/1.1"


def test_one_signer_serves_many_seconds_days_and_messages() -> None:
    moments = [86_399.5, 86_400.0, 86_400.9, 86_401.0, 86_399.0]
    payloads = [Payload(b"one"), Payload(b"two")]
    signer = Signer(URL, "eu-central-1", KEYS, clock=lambda: moment)

    for moment in moments:
        for payload in payloads:
            _, headers, _ = parsed(signer.request("abc=", payload))
            expected = by_botocore(URL, "eu-central-1", KEYS, moment, "abc=", payload.data)
            assert headers["Authorization"] == expected.headers["Authorization"]


@pytest.mark.parametrize("connection_id", ["", ".", ".."])
def test_what_is_no_path_segment_is_refused(connection_id: str) -> None:
    with pytest.raises(ValueError, match="is not a connection id"):
        Signer(URL, "eu-central-1", KEYS).request(connection_id, Payload(b""))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.com:443/x", "example.com"),
        ("http://example.com:80", "example.com"),
        ("http://example.com:443", "example.com:443"),
        ("http://[::1]:9000/x", "[::1]:9000"),
    ],
)
def test_the_host_header_leaves_out_the_schemes_own_port(url: str, host: str) -> None:
    assert host_header(url) == host


def test_no_secret_stands_in_a_repr() -> None:
    signer = Signer(URL, "eu-central-1", KEYS._replace(token="the-token"))
    signer.request("abc=", Payload(b"text"))

    assert KEYS.secret_key not in repr(signer)
    assert "the-token" not in repr(signer)
    assert hashlib.sha256(b"text").hexdigest() not in repr(signer)
