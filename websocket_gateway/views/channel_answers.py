"""Shared by the answers to frames about channels: one answer for each channel, and the heads of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.http import HttpRequest

from websocket_gateway.channels.heads import Head, has_acks, read_heads
from websocket_gateway.channels.positions import (
    Acknowledged,
    InvalidPositionError,
    Position,
    Since,
    parse_since,
)
from websocket_gateway.views.channels import check_not_foreign
from websocket_gateway.views.failures import bound_user_id, log_refusal, refusal_of
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError

Answers = dict[str, dict[str, object]]


@contextmanager
def answering(view: WebSocketHooks, answers: Answers, name: str) -> Iterator[None]:
    """Make a refusal the answer for this channel; the other channels of the frame get theirs."""
    try:
        yield
    except Exception as exc:
        refusal = refusal_of(exc)
        if refusal is None:
            raise
        log_refusal(view, refusal)
        message = refusal.reason if view.debug else ""
        error = {"code": refusal.code.code, "message": message or refusal.code.message}
        answers[name] = {"error": error}


def find_heads(
    view: WebSocketHooks,
    request: HttpRequest,
    names: list[str],
    *,
    after: Mapping[str, Position] | None = None,
) -> dict[str, Head]:
    """The heads of channels, after what dead publishers have left was numbered and sent."""
    if not names:
        return {}
    user_id = bound_user_id(request)

    def read(some: list[str]) -> dict[str, Head]:
        readers = [] if user_id is None else [user_id]
        return read_heads(some, session=view.websocket_session, readers=readers, after=after)

    heads = read(names)
    abandoned = [name for name, head in heads.items() if head.abandoned]
    if not abandoned:
        return heads
    from websocket_gateway.sending.publishing import send_abandoned  # with the code that calls AWS

    for name in abandoned:
        send_abandoned(name)
    return {**heads, **read(abandoned)}


def check_joined(view: WebSocketHooks, request: HttpRequest, name: str, head: Head) -> None:
    """Refuse a channel that the connection is not in, and the inbox of another user in any case."""
    check_not_foreign(request, name)
    if not head.joined and name != view.websocket_session.channel_name:
        raise RefusalError(ErrorCode.NOT_SUBSCRIBED, f"The connection is not in the channel {name!r}.")


def parse_begin(request: HttpRequest, name: str, value: object) -> Since:
    """Read where a client wants to begin in a channel."""
    try:
        since = parse_since(value)
    except InvalidPositionError as exc:
        raise RefusalError(ErrorCode.INVALID_POSITION, str(exc)) from exc
    if isinstance(since, Acknowledged):
        require_acks(request, name)
    return since


def require_acks(request: HttpRequest, name: str) -> None:
    """Refuse a channel without acknowledgements, and a user who cannot have any."""
    if not has_acks(name):
        raise RefusalError(ErrorCode.ACKS_OFF, f"CHANNELS gives {name!r} no ACKS.")
    if bound_user_id(request) is None:
        raise RefusalError(ErrorCode.PERMISSION_DENIED, "An anonymous user cannot acknowledge anything.")
