"""Tells the other connections of a user what the user has read: their badges show the same number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import Error, router
from django.db.models import Exists, OuterRef, Q

from websocket_gateway.channels.heads import read_heads
from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.frames import encode_metadata
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ChannelSubscription, WebSocketSession
from websocket_gateway.sending.delivery import SendOptions
from websocket_gateway.sending.paging import Audience, QueryStream
from websocket_gateway.sending.posting import Posting, log_failures
from websocket_gateway.sending.queries import connected_sessions

logger = get_logger("websocket_gateway.channels")


def tell_acked(user_id: Any, names: Collection[str]) -> None:
    """Read how far the user is in these channels, and push it to the user's connections there."""
    heads = read_heads(names, readers=[user_id])
    push_acked(user_id, {name: head.progress() for name, head in heads.items()})


def push_acked(user_id: Any, answers: Mapping[str, object], *, but: int | None = None) -> None:
    """Push it to the user's connections in these channels, without the one with the key `but`.

    A push that fails is logged only: the answer to the next heartbeat has the same numbers.
    """
    frame = encode_metadata({"type": "acked", "channels": answers})
    try:
        log_failures(
            Posting(SendOptions()).start(frame, _connections(user_id, answers, but), on_commit=False)
        )
    except (WebSocketGatewayError, ConfigurationError, Error) as exc:
        logger.warning(
            "The connections of a user were not told of an acknowledgement: %s",
            exc,
            extra={"event": "acks_not_told"},
        )


def _connections(user_id: Any, names: Collection[str], but: int | None) -> Audience:
    using = router.db_for_write(WebSocketSession)
    subscribed = ChannelSubscription.objects.filter(session_id=OuterRef("pk"), channel_name__in=list(names))
    mine = (
        connected_sessions()
        .using(using)
        .filter(Q(channel_name__in=list(names)) | Exists(subscribed), user_id=user_id)
    )
    return Audience((QueryStream(mine if but is None else mine.exclude(pk=but)),), using)
