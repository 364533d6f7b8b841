"""Signals of connections and messages. A receiver runs in the request; its exceptions are only logged."""

from __future__ import annotations

import asyncio

from django.dispatch import Signal

from websocket_gateway.log_records import get_logger

logger = get_logger(__name__)

connected = Signal()
"""A socket was accepted. Sender: the view class. Arguments: `session`, `event`, `request`.

The client cannot be written to yet: API Gateway answers 410 until the view has answered.
"""

disconnected = Signal()
"""A connection ended, once per connection, whatever ended it. Sender: `WebSocketSession`.

Arguments: `session`, `reason`. `reason` is `"client"` after a `$disconnect`; `"gone"` where the socket was
found closed (by sending, by the purge, by the admin) or its gateway was taken down; or what ended it
on our side: `"logout"`, `"password"`, `"deactivated"`, `"deleted"`, `"refused"`, `"admin"`, `"revoked"`, or
what `revoke()` was given. Sent after the commit of the transaction that marked it.
"""

connection_gone = Signal()
"""Connections ended with the reason `"gone"`: the same ends as `disconnected` tells one by one, in batches.

Sender: `WebSocketSession`. Arguments: `connection_ids` (a tuple).
"""

channel_joined = Signal()
"""A channel was joined. Sender: `WebSocketSession`. Arguments: `session`, `channel_name`, `member`.

In a channel with presence, once for each member that comes, and `session` is the connection that brought it.
In other channels, once for each connection, and `member` is empty. Sent after the commit.
"""

channel_left = Signal()
"""A channel was left, also by the end of a connection. Sender: `WebSocketSession`. Arguments: as above.

In a channel with presence, once for each member that goes. `session` is None where the member was found
missing, because all its connections were silent.
"""

message_received = Signal()
"""A frame will be handled. Sender: the view class. Arguments: `session`, `event`, `handler`, a name."""


message_sent = Signal()
"""A message was sent from this process: by `send`, `send_message`, `broadcast`, or at the commit.

Sender: `DeliveryReport`. Arguments: `report`, `audience` (`"channel"`, `"user"`, `"everyone"`,
`"connections"` or `"query"`), `channel_name`, `user_id`, `state` (`"finished"`, or `"interrupted"` by an
exception). Sent once for each message. Not for broadcasts of the task queue, and not for what this package
sends itself.
"""

broadcast_finished = Signal()
"""A broadcast has ended: one by `broadcast`, the command, the admin, or workers of the task queue.

Sender: `DeliveryReport`. Arguments: those of `message_sent`, and `run`: the `BroadcastRun` of the task queue,
else None. `state` may be `"cancelled"`, too. Sent once, by the process that ended it, after the commit.
"""


def send_safely(signal: Signal, *, sender: object, **arguments: object) -> None:
    """Send a signal; a receiver that raises is logged and does not disturb the connection."""
    try:
        signal.send_robust(sender=sender, **arguments)
    except asyncio.CancelledError:  # by an `async def` receiver; Django lets it pass
        logger.exception("A receiver of a signal was cancelled.", extra={"event": "receiver_cancelled"})
