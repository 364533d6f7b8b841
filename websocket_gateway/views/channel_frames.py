"""Control frames about the channels of a connection: `subscribe` to many, `recover`, `history`, `ack`.

Order matters in `subscribe`: the subscription is committed before the counter of the channel is read, and the
publisher numbers a message before it looks up recipients. So a message is in the answer, or pushed, or both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from websocket_gateway.channels.bodies import Stored
from websocket_gateway.channels.heads import Head
from websocket_gateway.channels.history import has_history
from websocket_gateway.channels.positions import Since
from websocket_gateway.channels.reading import PAGE_MESSAGES, Page, read_before, read_pages
from websocket_gateway.channels.rules import rules_read_together
from websocket_gateway.channels.subscribing import join
from websocket_gateway.inboxes import is_inbox
from websocket_gateway.views.acks import acknowledge, add_progress
from websocket_gateway.views.channel_answers import (
    Answers,
    answering,
    check_joined,
    find_heads,
    parse_begin,
)
from websocket_gateway.views.channels import check_channel_name, check_may_join
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError, control_response

MAX_CHANNELS = 100
_DEFAULT_LIMIT = 50
_DONE = {"subscribe": "subscribed", "recover": "recovered", "ack": "acked"}


def is_about_channels(control: Mapping[str, object]) -> bool:
    """Whether a control frame is of one of these types. `subscribe` has a form for one channel, too."""
    kind = control["type"]
    return kind in ("recover", "history", "ack") or (kind == "subscribe" and "channels" in control)


def answer_channels(
    view: WebSocketHooks, request: HttpRequest, kind: str, control: Mapping[str, object]
) -> HttpResponseBase:
    """Answer a frame of one of these types."""
    if kind == "history":
        return control_response("history", reply_id=view._reply_id, **_history(view, request, control))
    wanted = control.get("channels")
    if not isinstance(wanted, dict) or not 0 < len(wanted) <= MAX_CHANNELS:
        reason = f"channels is not an object with 1 to {MAX_CHANNELS} channels."
        raise RefusalError(ErrorCode.BAD_REQUEST, reason)
    if kind == "ack":
        answers = acknowledge(view, request, wanted)
    else:
        with rules_read_together([name for name in wanted if len(name) <= view.MAX_CHANNEL_NAME_LENGTH]):
            answers = (_subscribe if kind == "subscribe" else _recover)(view, request, wanted)
    # In the order of the frame.
    ordered = {name: answers[name] for name in wanted}
    return control_response(_DONE[kind], reply_id=view._reply_id, channels=ordered)


def _subscribe(view: WebSocketHooks, request: HttpRequest, wanted: Mapping[str, object]) -> Answers:
    answers: Answers = {}
    positions: dict[str, Since] = {}
    for name, value in wanted.items():
        with answering(view, answers, name):
            positions[name] = parse_begin(request, name, value)
            check_may_join(view, request, name)
    allowed = [name for name in wanted if name not in answers]
    joined = join(view.websocket_session, allowed, limit=view.MAX_SUBSCRIPTIONS)
    for name in allowed:
        with answering(view, answers, name):
            if name not in joined:
                raise RefusalError(
                    ErrorCode.TOO_MANY_CHANNELS, "The connection has reached its limit of channels."
                )
            if not has_history(name) or not _can_read(view, request, name):
                answers[name] = {}
    rest = {name: positions[name] for name in allowed if name not in answers}
    heads = find_heads(view, request, list(rest))
    answers.update(_pages(rest, heads))
    return add_progress(request, answers, rest, heads)


def _recover(view: WebSocketHooks, request: HttpRequest, wanted: Mapping[str, object]) -> Answers:
    answers: Answers = {}
    positions: dict[str, Since] = {}
    for name, value in wanted.items():
        with answering(view, answers, name):
            check_channel_name(view, name)
            _require_history(name)
            positions[name] = parse_begin(request, name, value)
    rest = {name: since for name, since in positions.items() if name not in answers}
    heads = find_heads(view, request, list(rest))
    for name in list(rest):
        with answering(view, answers, name):
            check_joined(view, request, name, heads[name])
        if name in answers:
            del rest[name]
    for name, answer in _pages(rest, heads).items():
        with answering(view, answers, name):
            if set(answer) != {"epoch", "offset"}:  # a heartbeat that gets nothing costs no look at the rules
                _check_may_read(view, request, name)
            answers[name] = answer
    return add_progress(request, answers, rest, heads)


def _history(view: WebSocketHooks, request: HttpRequest, control: Mapping[str, object]) -> dict[str, object]:
    name = check_channel_name(view, control.get("channel"))
    _require_history(name)
    before, limit = control.get("before"), control.get("limit", _DEFAULT_LIMIT)
    if not _is_between(limit, 1, PAGE_MESSAGES) or not (before is None or _is_between(before, 1, 2**53)):
        raise RefusalError(ErrorCode.INVALID_POSITION, "limit or before is not a number in its range.")
    head = find_heads(view, request, [name])[name]
    check_joined(view, request, name, head)
    _check_may_read(view, request, name)
    messages, more = read_before(name, head, before=before, limit=limit)  # type: ignore[arg-type]
    return {"channel": name, "epoch": head.epoch, "messages": _written(messages), "more": more}


def _pages(wanted: Mapping[str, Since], heads: Mapping[str, Head]) -> Answers:
    return {name: _answer(page) for name, page in read_pages(wanted, heads).items()} if wanted else {}


def _answer(page: Page) -> dict[str, object]:
    answer: dict[str, object] = {"epoch": page.epoch, "offset": page.offset}
    if page.lost:
        answer = {"lost": page.lost, **answer}
    if page.messages or page.more or page.lost:
        answer |= {"messages": _written(page.messages), "more": page.more}
    return answer


def _written(messages: list[Stored]) -> list[dict[str, object]]:
    return [{"offset": message.offset, "data": json.loads(message.body)} for message in messages]


def _check_may_read(view: WebSocketHooks, request: HttpRequest, name: str) -> None:
    check_may_join(view, request, name)
    if not _can_read(view, request, name):
        raise RefusalError(ErrorCode.PERMISSION_DENIED, f"The user must not read the history of {name!r}.")


def _can_read(view: WebSocketHooks, request: HttpRequest, name: str) -> bool:
    """Whether the user may get earlier messages; of an inbox, which only its owner is in, always."""
    return is_inbox(name) or view._decide("can_read_history", request, name)


def _require_history(name: str) -> None:
    if not has_history(name):
        raise RefusalError(ErrorCode.HISTORY_OFF, f"CHANNELS gives {name!r} no history.")


def _is_between(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
