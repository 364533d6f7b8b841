"""Signals of a connection. Receivers run in the request; an exception of a receiver is only logged."""

from __future__ import annotations

from django.dispatch import Signal

connected = Signal()
"""A socket was accepted. Sender: the view class. Arguments: `session`, `event`, `request`.

The client cannot be written to yet: API Gateway answers 410 until the view has answered.
"""

disconnected = Signal()
"""A connection ended, once per connection. Sender: `WebSocketSession`. Arguments: `session`, `reason`.

`reason` is `"client"` after a `$disconnect`, or what ended it on our side: `"logout"`,
`"password"`, `"deactivated"`, `"deleted"`, `"refused"`, `"admin"`, `"gone"`, `"revoked"`, or what
`revoke()` was given.
"""

connection_gone = Signal()
"""Sending, or the purge, met connections that are gone.

Sender: `WebSocketSession`. Arguments: `connection_ids` (a tuple).
"""

message_received = Signal()
"""A frame will be handled. Sender: the view class. Arguments: `session`, `event`, `handler`, a name."""
