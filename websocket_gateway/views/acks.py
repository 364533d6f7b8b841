"""The control frame `ack`, and how far the user is in the answers to other frames."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from websocket_gateway.channels.cursors import move_cursor
from websocket_gateway.channels.heads import Head, has_acks
from websocket_gateway.channels.positions import (
    Acknowledged,
    InvalidPositionError,
    Position,
    Since,
    parse_ack,
)
from websocket_gateway.views.channel_answers import Answers, answering, check_joined, find_heads, require_acks
from websocket_gateway.views.channels import check_channel_name
from websocket_gateway.views.failures import bound_user_id
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError


def acknowledge(view: WebSocketHooks, request: HttpRequest, wanted: Mapping[str, object]) -> Answers:
    """Move the cursors of the user, and tell the user's other connections.

    For one channel, one statement reads, one writes if the cursor moves, and then one finds the others.
    """
    answers: Answers = {}
    acked: dict[str, Position] = {}
    for name, value in wanted.items():
        with answering(view, answers, name):
            check_channel_name(view, name)
            require_acks(request, name)
            acked[name] = _parse(value)
    heads = find_heads(view, request, list(acked), after=acked)
    user_id = bound_user_id(request)
    moved: Answers = {}
    for name, at in acked.items():
        with answering(view, answers, name):
            check_joined(view, request, name, heads[name])
            reached = _reached(name, heads[name], at)
            answers[name] = reached.progress()
            if move_cursor(user_id, name, heads[name], reached.acked):
                moved[name] = answers[name]
    if moved:
        from websocket_gateway.sending.acknowledging import push_acked  # with the code that calls AWS

        push_acked(user_id, moved, but=view.websocket_session.pk)
    return answers


def add_progress(
    request: HttpRequest, answers: Answers, wanted: Mapping[str, Since], heads: Mapping[str, Head]
) -> Answers:
    """Say in the answers how far the user is in channels with acknowledgements.

    What a user cannot get any more counts as acknowledged once an answer has said that it is lost.
    """
    user_id = bound_user_id(request)
    for name, since in wanted.items():
        answer = answers[name]
        if user_id is None or "epoch" not in answer or not has_acks(name):
            continue
        head, offset = heads[name], answer["offset"]
        if isinstance(since, Acknowledged) and "lost" in answer and isinstance(offset, int):
            move_cursor(user_id, name, head, offset)
            head = head._replace(acked=offset)
        answers[name] = {**answer, **head.progress()}
    return answers


def _parse(value: object) -> Position:
    try:
        return parse_ack(value)
    except InvalidPositionError as exc:
        raise RefusalError(ErrorCode.INVALID_POSITION, str(exc)) from exc


def _reached(name: str, head: Head, at: Position) -> Head:
    """The head once the acknowledgement counts. One of an epoch that has ended changes nothing."""
    if at.epoch and at.epoch != head.epoch:
        return head
    if at.offset > head.last_offset:
        raise RefusalError(
            ErrorCode.INVALID_POSITION, f"The latest message of {name!r} has the offset {head.last_offset}."
        )
    return head._replace(acked=max(head.acked, at.offset))
