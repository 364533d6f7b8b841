"""Events that API Gateway did not send, or that a client has added to: the tables.

A stranger calls the site directly and knows every id, but not the secret. A client of the gateway gets
headers of its own past the gateway, beside those that the gateway sets, which have the right secret.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.support.rawhttp import (
    Change,
    add,
    add_first,
    both,
    drop,
    framed,
    line,
    put,
    rename,
)

REFUSED = range(400, 500)
AT_MOST_ITSELF = (*range(500), 501)
"""Any answer, or none, and at most the attacker's own event has happened, once."""
SERVERS_OWN = (*REFUSED, 0, 501, 505)
"""What servers answer themselves to what is not HTTP/1.1, before Django."""


class Attack(NamedTuple):
    """One row of a table."""

    name: str
    change: Change
    expected: range | tuple[int, ...] = REFUSED


SECRET, API = "wsOriginSecret", "X-Amzn-Apigateway-Api-Id"
CONNECTION, EVENT, ROUTE, ADDRESS = "connectionId", "wsEventType", "wsRouteKey", "wsSourceIp"

SECRETS = [
    Attack("no secret", drop(SECRET), (403,)),
    Attack("empty secret", put(SECRET, ""), (403,)),
    Attack("wrong secret", put(SECRET, "0" * 64), (403,)),
    Attack("secret in upper case", put(SECRET, "{SECRET}"), (403,)),
    Attack("half of the secret", put(SECRET, "{half}"), (403,)),
    Attack("secret and one character", put(SECRET, "{secret}0"), (403,)),
    Attack("secret of another API", put(SECRET, "{other_secret}"), (403,)),
    Attack("secret of a far generation", put(SECRET, "{future_secret}"), (403,)),
    Attack("fingerprint of the secret", put(SECRET, "{fingerprint}"), (403,)),
    Attack("fingerprint of the installation", put(SECRET, "{installation}"), (403,)),
    Attack("API id as the secret", put(SECRET, "{api}"), (403,)),
    Attack("placeholder of a hidden secret", put(SECRET, "hidden"), (403,)),
    Attack("secret that is not ASCII", put(SECRET, b"\xe9" * 64), (403,)),
    Attack("secret in UTF-8 beyond ASCII", put(SECRET, "é".encode() * 32), (403,)),
    Attack("secret in quotes", put(SECRET, "'{secret}'"), (403,)),
    Attack("wrong secret before the right one", add_first(SECRET, "0" * 64), REFUSED),
    Attack("wrong secret behind the right one", add(SECRET, "0" * 64), REFUSED),
    Attack("right secret twice", add(SECRET, "{secret}"), REFUSED),
    Attack("secrets with a comma", put(SECRET, "{secret},{secret}"), (403,)),
    Attack("secret under a twin with a dash", rename(SECRET, "ws-origin-secret"), (403,)),
    Attack("secret under a twin with an underscore", rename(SECRET, "ws_origin_secret"), REFUSED),
    Attack("secret under the old package's name", rename(SECRET, "X-Ws-Gateway-Secret"), (403,)),
    Attack("secret as a cookie", both(drop(SECRET), add("Cookie", "wsOriginSecret={secret}")), (403,)),
    Attack("secret as a bearer", both(drop(SECRET), add("Authorization", "Bearer {secret}")), (403,)),
    Attack("secret continued on a second line", put(SECRET, "{half}\r\n {half}"), SERVERS_OWN),
    Attack("secret with NUL", put(SECRET, b"{secret}\x00"), SERVERS_OWN),
    Attack("name of the secret with a space", rename(SECRET, "wsOriginSecret "), SERVERS_OWN),
]

GATEWAYS = [
    Attack("no API id", drop(API), (400,)),
    Attack("empty API id", put(API, ""), (400,)),
    Attack("unknown API id", put(API, "unknown"), (403,)),
    Attack("API id of another gateway", put(API, "{other_api}"), (403,)),
    Attack(
        "API id of another gateway, its own secret missing",
        both(put(API, "{other_api}"), drop(SECRET)),
        (403,),
    ),
    Attack("API id of another gateway before", add_first(API, "{other_api}"), REFUSED),
    Attack("API id of another gateway behind", add(API, "{other_api}"), REFUSED),
    Attack("API id twice", add(API, "{api}"), REFUSED),
    Attack("API id in upper case", put(API, "{API}"), (403,)),
    Attack("API id with a quote", put(API, "{api}' OR '1'='1"), (403,)),
    Attack("API id with a wildcard", put(API, "%"), (403,)),
    Attack("API id of 5,000 characters", put(API, "x" * 5_000), (403,)),
    Attack("API id that is not ASCII", put(API, b"\xe9\xff"), (403,)),
    Attack("API id with NUL", put(API, b"{api}\x00"), SERVERS_OWN),
]

CONNECTIONS = [
    Attack("no connection id", drop(CONNECTION), (400,)),
    Attack("empty connection id", put(CONNECTION, ""), (400,)),
    Attack("victim's connection id before", add_first(CONNECTION, "{victim}"), REFUSED),
    Attack("victim's connection id behind", add(CONNECTION, "{victim}"), REFUSED),
    Attack("victim's connection id in lower case name", add("connectionid", "{victim}"), REFUSED),
    Attack("victim's connection id in upper case name", add_first("CONNECTIONID", "{victim}"), REFUSED),
    Attack("connection ids with a comma", put(CONNECTION, "{own},{victim}"), (400,)),
    Attack("connection ids with a space", put(CONNECTION, "{own} {victim}"), (400,)),
    Attack("connection ids with a tab", put(CONNECTION, "{own}\t{victim}"), (400,)),
    Attack("connection id that is not ASCII", put(CONNECTION, b"\xe9"), (400,)),
    Attack("connection id of 256 characters", put(CONNECTION, "x" * 256), (400,)),
    Attack("connection id of 8,000 characters", put(CONNECTION, "x" * 8_000), (400,)),
    Attack("connection id with DEL", put(CONNECTION, b"{own}\x7f"), REFUSED),
    Attack("connection id with NUL", put(CONNECTION, b"{own}\x00"), SERVERS_OWN),
    Attack("connection id with an escape sequence", put(CONNECTION, b"{own}\x1b[31m"), SERVERS_OWN),
    Attack("second line by a bare LF", put(CONNECTION, "{own}\nconnectionId: {victim}"), SERVERS_OWN),
    Attack("second line by a bare CR", put(CONNECTION, "{own}\rconnectionId: {victim}"), SERVERS_OWN),
    Attack("continued on a second line", put(CONNECTION, "{own}\r\n {victim}"), SERVERS_OWN),
    Attack("twin with a dash", add("connection-Id", "{victim}"), AT_MOST_ITSELF),
    Attack("twin with an underscore", add("connection_Id", "{victim}"), AT_MOST_ITSELF),
    Attack("twin of another prefix", add("HTTP-connectionId", "{victim}"), AT_MOST_ITSELF),
    Attack("twin of the variable", add("HTTP_CONNECTIONID", "{victim}"), AT_MOST_ITSELF),
]

FIELDS = [
    Attack("no event type", drop(EVENT), (400,)),
    Attack("event type in lower case", put(EVENT, "connect"), (400,)),
    Attack("two event types with a comma", put(EVENT, "CONNECT,MESSAGE"), (400,)),
    Attack("another event type before", add_first(EVENT, "MESSAGE"), (400,)),
    Attack("another event type behind", add(EVENT, "DISCONNECT"), (400,)),
    Attack("event type that does not exist", put(EVENT, "AUTHORIZE"), (400,)),
    Attack("event type that is not ASCII", put(EVENT, b"CONN\xc9CT"), (400,)),
    Attack("route of no event", put(ROUTE, b"$ev\x85il"), (400,)),
    Attack("source IP that is none", put(ADDRESS, "not an address"), (400,)),
    Attack("two source IPs with a comma", put(ADDRESS, "192.0.2.1,198.51.100.1"), (400,)),
    Attack("two source IPs", add(ADDRESS, "198.51.100.1"), (400,)),
    Attack("source IP with a port", put(ADDRESS, "192.0.2.1:80"), (400,)),
    Attack("source IP in hexadecimal", put(ADDRESS, "0xc0000201"), (400,)),
    Attack("source IP with a zone", put(ADDRESS, "fe80::1%" + "x" * 500), (400,)),
    Attack("no host", drop("Host"), REFUSED),
    Attack("host that is not ours", put("Host", "evil.example.org"), (400, 403)),
    Attack("two hosts", add("Host", "evil.example.org"), SERVERS_OWN),
    Attack("forwarded address", add("X-Forwarded-For", "198.51.100.7"), AT_MOST_ITSELF),
    Attack("forwarded host", add("X-Forwarded-Host", "evil.example.org"), AT_MOST_ITSELF),
    Attack("remote user", add("Remote-User", "alice"), AT_MOST_ITSELF),
    Attack("remote user with an underscore", add("REMOTE_USER", "alice"), AT_MOST_ITSELF),
]

_LESS = both(drop(SECRET), drop(ADDRESS))
_INNER = (
    "POST /ws/default HTTP/1.1\r\nHost: www.example.com\r\nX-Amzn-Apigateway-Api-Id: {api}\r\n"
    "connectionId: {victim}\r\nwsEventType: MESSAGE\r\nContent-Length: 18\r\n\r\n"
    '{"handler": "say"}'
)
FRAMING = [
    Attack("HTTP/1.0", both(_LESS, line(version="HTTP/1.0")), REFUSED),
    Attack("HTTP/1.0 without a host", both(drop("Host"), line(version="HTTP/1.0")), REFUSED),
    Attack("HTTP/0.9", both(_LESS, line(version="")), SERVERS_OWN),
    Attack("HTTP/2.0", both(_LESS, line(version="HTTP/2.0")), SERVERS_OWN),
    Attack("HTTP/9.9", both(_LESS, line(version="HTTP/9.9")), SERVERS_OWN),
    Attack("GET", line(method="GET"), (405,)),
    Attack(
        "GET that claims to be POST", both(line(method="GET"), add("X-HTTP-Method-Override", "POST")), (405,)
    ),
    Attack("PUT", line(method="PUT"), (405,)),
    Attack("TRACE", line(method="TRACE"), REFUSED),
    Attack("a method in lower case", line(method="post"), AT_MOST_ITSELF),
    Attack("a method that does not exist", line(method="EVENT"), (*REFUSED, 501)),
    Attack("negative length", framed("Content-Length: -1\r\n"), SERVERS_OWN),
    Attack("length with a sign", framed("Content-Length: +2\r\n", "{}"), SERVERS_OWN),
    Attack("length in hexadecimal", framed("Content-Length: 0x2\r\n", "{}"), SERVERS_OWN),
    Attack("length with an underscore", framed("Content-Length: 0_2\r\n", "{}"), SERVERS_OWN),
    Attack("length that is huge", framed("Content-Length: " + "9" * 30 + "\r\n"), SERVERS_OWN),
    Attack("two lengths", framed("Content-Length: 2\r\nContent-Length: 0\r\n", "{}"), AT_MOST_ITSELF),
    Attack(
        "chunked, without a secret",
        both(drop(SECRET), framed("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", complete=True)),
        REFUSED,
    ),
    Attack(
        "chunked with a chunk of no size",
        framed("Transfer-Encoding: chunked\r\n", "x\r\n{}\r\n"),
        AT_MOST_ITSELF,
    ),
    Attack(
        "chunked with a chunk of a huge size",
        both(drop(SECRET), framed("Transfer-Encoding: chunked\r\n", "F" * 20 + "\r\n{}\r\n")),
        SERVERS_OWN,
    ),
    Attack(
        "chunked and a length, with a second event behind",
        framed("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + _INNER),
        AT_MOST_ITSELF,
    ),
    Attack(
        "chunked twice, with a second event behind",
        framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "0\r\n\r\n" + _INNER),
        AT_MOST_ITSELF,
    ),
    Attack(
        "chunked with a space before the colon",
        framed("Transfer-Encoding : chunked\r\n", "0\r\n\r\n" + _INNER),
        AT_MOST_ITSELF,
    ),
    Attack(
        "length too short, with a second event behind",
        framed("Content-Length: 0\r\n", _INNER),
        AT_MOST_ITSELF,
    ),
    Attack("head that never ends", both(_LESS, framed("X: y", "")), SERVERS_OWN),
    Attack("300 headers more", both(_LESS, *(add(f"X-{number}", "y") for number in range(300))), SERVERS_OWN),
    Attack("header of 70,000 bytes", both(_LESS, add("X-Long", "y" * 70_000)), SERVERS_OWN),
    Attack("line that is no header", both(_LESS, add("X\r\nno header\r\nY", "z")), SERVERS_OWN),
]

FORGERIES = [*SECRETS, *GATEWAYS, *CONNECTIONS, *FIELDS, *FRAMING]
CASES = 336
"""Each of the 112 for all three kinds of events."""
