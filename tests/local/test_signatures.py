"""Signature Version 4, as the local gateway checks it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from websocket_gateway.local.http import HttpRequest
from websocket_gateway.local.signing import signature_error

URLS = [
    "http://127.0.0.1:9000/v2/apis",
    "http://127.0.0.1:9000/v2/apis?maxResults=3&nextToken=a%2Fb%3D",
    "http://127.0.0.1:9000/v2/tags/arn%3Aaws%3Aapigateway%3A%3A%3A%2Fapis%2Fx?tagKeys=b&tagKeys=a%20c",
    "http://127.0.0.1:9000/_api/x/prod/@connections/abc%3D",
]


def signed_request(url: str, body: bytes = b"hi", secret: str = "right") -> HttpRequest:
    request = AWSRequest(method="POST", url=url, data=body, headers={"Host": "127.0.0.1:9000"})
    SigV4Auth(Credentials("key", secret), "execute-api", "eu-west-1").add_auth(request)
    _, _, rest = url.partition("127.0.0.1:9000")
    path, _, query = rest.partition("?")
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    return HttpRequest(method="POST", raw_path=path, query=query, headers=headers, body=body)


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.mark.parametrize("url", URLS)
def test_a_good_signature_is_accepted(url: str) -> None:
    assert signature_error(signed_request(url), "right", now=now) is None
    assert signature_error(signed_request(url, secret="wrong"), None, now=now) is None


@pytest.mark.parametrize("url", URLS)
def test_a_wrong_secret_is_refused(url: str) -> None:
    assert signature_error(signed_request(url, secret="wrong"), "right", now=now)


def test_what_was_changed_or_is_old_is_refused() -> None:
    good = signed_request(URLS[0])

    changed = HttpRequest(
        method=good.method, raw_path=good.raw_path, query=good.query, headers=good.headers, body=b"other"
    )
    assert signature_error(changed, "right", now=now)
    assert signature_error(good, "right", now=lambda: now() + timedelta(hours=1))
    empty = HttpRequest(method="GET", raw_path="/", query="", headers=())
    assert signature_error(empty, None, now=now) == "Missing Authentication Token"
