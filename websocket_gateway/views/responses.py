"""Responses: the closed list of error codes, error frames, replies."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, cast

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from websocket_gateway.frames import ReplyId, encode_metadata, encode_reply
from websocket_gateway.security_log import Rule

_JSON: Final = "application/json"


class ErrorCode(Enum):
    """Every code that a client can get, with its HTTP status and its sentence."""

    BAD_REQUEST = ("bad_request", 400, "The request is malformed.")
    INVALID_FRAME = ("invalid_frame", 400, "A frame must be a JSON object.")
    HANDLER_MISSING = ("handler_missing", 400, "The frame names no handler.")
    UNKNOWN_HANDLER = ("unknown_handler", 400, "There is no such handler.")
    UNKNOWN_CONTROL = ("unknown_control", 400, "There is no such control frame.")
    INVALID_CHANNEL = ("invalid_channel", 400, "The channel name is not valid.")
    FORBIDDEN = ("forbidden", 403, "Forbidden.")
    ORIGIN_DENIED = ("origin_denied", 403, "Connections from this page are not accepted.")
    INVALID_TOKEN = ("invalid_token", 403, "The token is not valid.")
    PERMISSION_DENIED = ("permission_denied", 403, "You do not have permission to do this.")
    HISTORY_OFF = ("history_off", 400, "This channel has no history.")
    PRESENCE_OFF = ("presence_off", 400, "This channel has no presence.")
    ACKS_OFF = ("acks_off", 400, "This channel has no acknowledgements.")
    INVALID_POSITION = ("invalid_position", 400, "The position in the channel is malformed.")
    CHANNEL_DENIED = ("channel_denied", 403, "You do not have permission to join this channel.")
    CONNECTION_REFUSED = ("connection_refused", 403, "The connection was refused.")
    NOT_FOUND = ("not_found", 404, "Not found.")
    ALREADY_CONNECTED = ("already_connected", 409, "This connection is known already.")
    TOO_MANY_CHANNELS = ("too_many_channels", 409, "The connection is in too many channels.")
    NOT_SUBSCRIBED = ("not_subscribed", 409, "The connection is not in this channel.")
    NOT_CONNECTED = ("not_connected", 410, "The connection has ended.")
    TOO_LARGE = ("too_large", 413, "The frame is too large.")
    RATE_LIMITED = ("rate_limited", 429, "Too many attempts.")
    INTERNAL_ERROR = ("internal_error", 500, "Something went wrong.")
    BUSY = ("busy", 503, "Try again in a moment.")

    def __init__(self, code: str, status: int, message: str) -> None:
        self.code = code
        self.status = status
        self.message = message


class RefusalError(Exception):
    """A request is refused. `reason` is for the log; the client gets only the code."""

    def __init__(
        self,
        code: ErrorCode,
        reason: str,
        *,
        headers: Mapping[str, str] | None = None,
        rule: Rule | None = None,
    ) -> None:
        super().__init__(reason)
        self.rule: Rule = rule or cast("Rule", code.code)
        """The rule that refuses, for the security log; without one of its own the code."""
        self.code = code
        self.reason = reason
        self.headers = dict(headers or {})


def empty_response(status: int = 200) -> HttpResponse:
    """A response without a body, so without a frame."""
    return HttpResponse(b"", status=status, content_type="text/plain")


def error_response(
    code: ErrorCode, *, reply_id: ReplyId | None = None, message: str | None = None
) -> HttpResponse:
    """An error frame. One that answers a message gets 200, because with other statuses no body may arrive.

    `INTERNAL_ERROR` keeps its 500, so that load balancers and metrics see it.
    """
    error = {"code": code.code, "message": message or code.message}
    status = 200 if reply_id is not None and code.status < 500 else code.status
    return HttpResponse(
        encode_metadata({"error": error}, reply_id=reply_id), status=status, content_type=_JSON
    )


def control_response(kind: str, *, reply_id: ReplyId | None = None, **fields: object) -> HttpResponse:
    """A control frame of this package, such as `pong`."""
    return HttpResponse(encode_metadata({"type": kind, **fields}, reply_id=reply_id), content_type=_JSON)


def duplicate_response(reply_id: ReplyId) -> HttpResponse:
    """The reply to a message that was handled before. The first reply is not kept."""
    return HttpResponse(encode_metadata({"duplicate": True}, reply_id=reply_id), content_type=_JSON)


def answer(result: object, *, reply_id: ReplyId | None = None) -> HttpResponseBase:
    """Make a response of what a handler returned: nothing, a dict, or a Django response, which is untouched.

    Raises `InvalidMessageError` for a dict that cannot be sent and `TypeError` for anything else.
    """
    if isinstance(result, HttpResponseBase):
        return result
    if result is None and reply_id is None:
        return empty_response()
    if result is not None and not isinstance(result, dict):
        raise TypeError(f"A handler returns None, a dict or a response, not {type(result).__name__}.")
    return HttpResponse(encode_reply(result or {}, reply_id=reply_id), content_type=_JSON)
