"""Signature Version 4 for one shape of request: POST to `@connections/{id}`.

botocore signs any request, which takes 60 µs. Here everything that changes once a second at most is prepared
once a second; one SHA-256 and one HMAC per message are left. The result is the same, byte for byte.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

from botocore.utils import normalize_url_path

from websocket_gateway import __version__
from websocket_gateway.aws.credentials import Credentials

_SERVICE: Final = "execute-api"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_USER_AGENT: Final = f"websocket-gateway/{__version__}"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# What botocore leaves as it is in a label of the path.
_UNRESERVED: Final = "-._~"
# Ids as the service makes them today need no general encoder; others get it.
_USUAL_ID: Final = re.compile(r"[A-Za-z0-9_-]+=?").fullmatch


class Payload:
    """A message and its SHA-256, computed once for all recipients."""

    __slots__ = ("data", "digest")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.digest = hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class _Second:
    """Everything that is the same for all requests of one second with one payload."""

    number: int
    payload: Payload
    hmac: Callable[[bytes], str]
    canonical_tail: bytes
    to_sign: bytes
    request_head: bytes
    request_tail: bytes


def host_header(url: str) -> str:
    """The `Host` that goes with `url`: lower case, without a port that is the scheme's own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        return f"{host}:{parts.port}"
    return host


@dataclass(slots=True)
class Signer:
    """Lays out signed requests to the `@connections` of one stage. Threads may share one."""

    url: str
    region: str
    credentials: Credentials
    clock: Callable[[], float] = time.time
    _path: bytes = field(init=False)
    _canonical: bytes = field(init=False)
    _host: str = field(init=False)
    _second: _Second | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        path = urlsplit(self.url).path.rstrip("/") + "/@connections/"
        self._path = f"POST {path}".encode()
        # The path is signed in its encoded form, encoded once more.
        self._canonical = f"POST\n{quote(normalize_url_path(path), safe='/~')}".encode()
        self._host = host_header(self.url)

    def request(self, connection_id: str, payload: Payload) -> bytes:
        """The whole HTTP/1.1 request that posts `payload` to a connection.

        Raises `ValueError` for an id that is not a path segment of its own: empty, `.` or `..`.
        """
        number = int(self.clock())
        second = self._second
        if second is None or second.number != number or second.payload is not payload:
            # Swapped whole, so that no thread ever mixes two seconds.
            self._second = second = self._lay_out(number, payload)
        if connection_id in ("", ".", ".."):
            raise ValueError(f"{connection_id!r} is not a connection id.")
        if _USUAL_ID(connection_id):
            label = connection_id.replace("=", "%3D").encode()
        else:
            label = quote(connection_id, safe=_UNRESERVED).encode()
        canonical = self._canonical + label.replace(b"%", b"%25") + second.canonical_tail
        to_sign = second.to_sign + hashlib.sha256(canonical).hexdigest().encode()
        signature = second.hmac(to_sign).encode()
        return self._path + label + second.request_head + signature + second.request_tail

    def _lay_out(self, number: int, payload: Payload) -> _Second:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(number))
        scope = f"{moment[:8]}/{self.region}/{_SERVICE}/aws4_request"
        names, headers, wire = "host;x-amz-date", f"host:{self._host}\nx-amz-date:{moment}\n", ""
        if self.credentials.token:
            token = " ".join(self.credentials.token.split())
            names += ";x-amz-security-token"
            headers += f"x-amz-security-token:{token}\n"
            wire = f"X-Amz-Security-Token: {token}\r\n"
        head = (
            f" HTTP/1.1\r\nHost: {self._host}\r\nX-Amz-Date: {moment}\r\n{wire}"
            f"Authorization: {_ALGORITHM} Credential={self.credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )
        tail = f"\r\nUser-Agent: {_USER_AGENT}\r\nContent-Length: {len(payload.data)}\r\n\r\n"
        return _Second(
            number=number,
            payload=payload,
            hmac=_prepared_hmac(_signing_key(self.credentials.secret_key, moment[:8], self.region)),
            canonical_tail=f"\n\n{headers}\n{names}\n{payload.digest}".encode(),
            to_sign=f"{_ALGORITHM}\n{moment}\n{scope}\n".encode(),
            request_head=head.encode(),
            request_tail=tail.encode() + payload.data,
        )


def _signing_key(secret_key: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _prepared_hmac(key: bytes) -> Callable[[bytes], str]:
    """HMAC-SHA-256 in hexadecimal, with the key worked in once: a third of `hmac.digest`. RFC 2104."""
    block = key.ljust(hashlib.sha256().block_size, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(message: bytes) -> str:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.hexdigest()

    return digest
