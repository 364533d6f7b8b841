"""The life of a connection's row, for every caller.

`sessions`: find, register, touch. `ending`: the only code that marks a connection as ended, and announces it.
`closing`: the only code that closes sockets. `endpoints`: the addresses of a gateway.
"""

from __future__ import annotations

from websocket_gateway.connections.closing import Closing, disconnect, revoke

__all__ = ["Closing", "disconnect", "revoke"]
