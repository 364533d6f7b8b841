"""Check the signature of a request: the header only by default, all of SigV4 with a secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import parse_qsl, quote

from websocket_gateway.local.http import HttpRequest

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW_SECONDS = 900
_AUTHORIZATION = re.compile(
    ALGORITHM + r"\s+Credential=(?P<key>[^/,\s]+)/(?P<scope>\d{8}/[^/,\s]+/[^/,\s]+/aws4_request),"
    r"\s*SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def signature_error(request: HttpRequest, secret: str | None, *, now: Callable[[], datetime]) -> str | None:
    """Return what is wrong with the signature, or `None` if it is accepted."""
    authorization = request.header("authorization")
    if not authorization.startswith(ALGORITHM + " "):
        return "Missing Authentication Token"
    if secret is None:
        return None
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None or not _is_recent(request.header("x-amz-date"), now()):
        return "The Authorization header is malformed, or the request is too old"
    if "host" not in match["signed"].split(";"):
        return "The Host header is not signed"
    expected = _signature(request, secret, scope=match["scope"], signed=match["signed"])
    if not hmac.compare_digest(expected, match["signature"]):
        return "The request signature we calculated does not match the signature you provided"
    return None


def _is_recent(stamp: str, now: datetime) -> bool:
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return abs((now - signed_at).total_seconds()) <= MAX_SKEW_SECONDS


def _signature(request: HttpRequest, secret: str, *, scope: str, signed: str) -> str:
    payload_hash = hashlib.sha256(request.body).hexdigest()
    query = sorted(
        (quote(key, safe="-_.~"), quote(value, safe="-_.~"))
        for key, value in parse_qsl(request.query, keep_blank_values=True)
    )
    canonical = "\n".join(
        (
            request.method,
            quote(request.raw_path, safe="/-_.~"),
            "&".join(f"{key}={value}" for key, value in query),
            "".join(f"{name}:{request.header(name)}\n" for name in signed.split(";")),
            signed,
            payload_hash,
        )
    )
    to_sign = "\n".join(
        (ALGORITHM, request.header("x-amz-date"), scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
