"""Control frames about the channels of a connection: `subscribe` to many, `recover`, `history`.

Order matters in `subscribe`: the subscription is committed before the counter of the channel is read, and the
publisher numbers a message before it looks up recipients. So a message is in the answer, or pushed, or both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from websocket_gateway.channels.bodies import Stored
from websocket_gateway.channels.heads import Head, read_heads
from websocket_gateway.channels.history import has_history
from websocket_gateway.channels.positions import InvalidPositionError, Since, parse_since
from websocket_gateway.channels.reading import PAGE_MESSAGES, Page, read_before, read_pages
from websocket_gateway.channels.rules import rules_read_together
from websocket_gateway.channels.subscribing import join
from websocket_gateway.views.channels import check_channel_name, check_may_join
from websocket_gateway.views.failures import log_refusal, refusal_of
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError, control_response

MAX_CHANNELS = 100
_DEFAULT_LIMIT = 50

Answers = dict[str, dict[str, object]]


def is_about_channels(control: Mapping[str, object]) -> bool:
    """Whether a control frame is of one of these types. `subscribe` has a form for one channel, too."""
    kind = control["type"]
    return kind in ("recover", "history") or (kind == "subscribe" and "channels" in control)


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
    with rules_read_together([name for name in wanted if len(name) <= view.MAX_CHANNEL_NAME_LENGTH]):
        answers = (_subscribe if kind == "subscribe" else _recover)(view, request, wanted)
    # In the order of the frame.
    ordered = {name: answers[name] for name in wanted}
    done = "subscribed" if kind == "subscribe" else "recovered"
    return control_response(done, reply_id=view._reply_id, channels=ordered)


def _subscribe(view: WebSocketHooks, request: HttpRequest, wanted: Mapping[str, object]) -> Answers:
    answers: Answers = {}
    positions: dict[str, Since] = {}
    for name, value in wanted.items():
        with _answering(view, answers, name):
            positions[name] = _parse(value)
            check_may_join(view, request, name)
    allowed = [name for name in wanted if name not in answers]
    joined = join(view.websocket_session, allowed, limit=view.MAX_SUBSCRIPTIONS)
    for name in allowed:
        with _answering(view, answers, name):
            if name not in joined:
                raise RefusalError(
                    ErrorCode.TOO_MANY_CHANNELS, "The connection has reached its limit of channels."
                )
            if not has_history(name) or not view._decide("can_read_history", request, name):
                answers[name] = {}
    rest = {name: positions[name] for name in allowed if name not in answers}
    answers.update(_pages(rest, _heads(view, rest)))
    return answers


def _recover(view: WebSocketHooks, request: HttpRequest, wanted: Mapping[str, object]) -> Answers:
    answers: Answers = {}
    positions: dict[str, Since] = {}
    for name, value in wanted.items():
        with _answering(view, answers, name):
            check_channel_name(view, name)
            _require_history(name)
            positions[name] = _parse(value)
    rest = {name: since for name, since in positions.items() if name not in answers}
    heads = _heads(view, rest)
    for name in list(rest):
        with _answering(view, answers, name):
            _check_joined(view, name, heads[name])
        if name in answers:
            del rest[name]
    for name, answer in _pages(rest, heads).items():
        with _answering(view, answers, name):
            if set(answer) != {"epoch", "offset"}:  # a heartbeat that gets nothing costs no look at the rules
                _check_may_read(view, request, name)
            answers[name] = answer
    return answers


def _history(view: WebSocketHooks, request: HttpRequest, control: Mapping[str, object]) -> dict[str, object]:
    name = check_channel_name(view, control.get("channel"))
    _require_history(name)
    before, limit = control.get("before"), control.get("limit", _DEFAULT_LIMIT)
    if not _is_between(limit, 1, PAGE_MESSAGES) or not (before is None or _is_between(before, 1, 2**53)):
        raise RefusalError(ErrorCode.INVALID_POSITION, "limit or before is not a number in its range.")
    head = _heads(view, [name])[name]
    _check_joined(view, name, head)
    _check_may_read(view, request, name)
    messages, more = read_before(name, head, before=before, limit=limit)  # type: ignore[arg-type]
    return {"channel": name, "epoch": head.epoch, "messages": _written(messages), "more": more}


def _heads(view: WebSocketHooks, names: Mapping[str, Since] | list[str]) -> dict[str, Head]:
    """The heads of channels, after what dead publishers have left was numbered and sent."""
    if not names:
        return {}
    heads = read_heads(list(names), session=view.websocket_session)
    abandoned = [name for name, head in heads.items() if head.abandoned]
    if not abandoned:
        return heads
    from websocket_gateway.sending.publishing import send_abandoned  # with the code that calls AWS

    for name in abandoned:
        send_abandoned(name)
    return {**heads, **read_heads(abandoned, session=view.websocket_session)}


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
    if not view._decide("can_read_history", request, name):
        raise RefusalError(ErrorCode.PERMISSION_DENIED, f"The user must not read the history of {name!r}.")


def _require_history(name: str) -> None:
    if not has_history(name):
        raise RefusalError(ErrorCode.HISTORY_OFF, f"CHANNELS gives {name!r} no history.")


def _check_joined(view: WebSocketHooks, name: str, head: Head) -> None:
    if not head.joined and name != view.websocket_session.channel_name:
        raise RefusalError(ErrorCode.NOT_SUBSCRIBED, f"The connection is not in the channel {name!r}.")


def _is_between(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _parse(value: object) -> Since:
    try:
        return parse_since(value)
    except InvalidPositionError as exc:
        raise RefusalError(ErrorCode.INVALID_POSITION, str(exc)) from exc


@contextmanager
def _answering(view: WebSocketHooks, answers: Answers, name: str) -> Iterator[None]:
    """Make a refusal the answer for this channel; the other channels of the frame get theirs."""
    try:
        yield
    except Exception as exc:
        refusal = refusal_of(exc)
        if refusal is None:
            raise
        log_refusal(view, refusal)
        answers[name] = _error(refusal.code, refusal.reason if view.debug else "")


def _error(code: ErrorCode, message: str = "") -> dict[str, object]:
    return {"error": {"code": code.code, "message": message or code.message}}
