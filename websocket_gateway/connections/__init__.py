"""The life of a connection's row, for every caller.

`sessions`: find, register, touch. `ending`: the only code that marks a connection as ended and announces it.
`closing`: the only code that closes sockets. `verifying`: asks AWS which connections are open.
`endpoints`: the addresses of a gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from websocket_gateway.lazy import importing

if TYPE_CHECKING:
    from websocket_gateway.connections.closing import Closing, disconnect, revoke
    from websocket_gateway.connections.endpoints import find_socket_url, why_no_socket_url
    from websocket_gateway.connections.verifying import Verification, verify

__all__ = [
    "Closing",
    "Verification",
    "disconnect",
    "find_socket_url",
    "revoke",
    "verify",
    "why_no_socket_url",
]

__getattr__ = importing(
    __name__,
    {
        "Closing": "closing",
        "Verification": "verifying",
        "disconnect": "closing",
        "find_socket_url": "endpoints",
        "revoke": "closing",
        "verify": "verifying",
        "why_no_socket_url": "endpoints",
    },
)
"""A process starts without the code that calls AWS."""
