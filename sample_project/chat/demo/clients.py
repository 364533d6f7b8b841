"""A user of the chat without a browser: logs in, gets a token, opens a socket."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from types import TracebackType
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from chat.users import DemoUser

_TIMEOUT_SECONDS = 10.0
_READABLE = ("message", "notification")


class ClientError(Exception):
    """A client failed where a browser would have succeeded."""


class ChatClient:
    """One connection of one user."""

    def __init__(self, user: DemoUser, *, site_url: str) -> None:
        self.username = user.username
        self._password = user.password
        self._site_url = site_url
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._cookies)
        )
        self._socket: ClientConnection | None = None
        self._position: dict[str, Any] | None = None

    def log_in(self) -> None:
        """Log in with the form, as a browser does."""
        self._fetch("/login/")
        form = {
            "username": self.username,
            "password": self._password,
            "csrfmiddlewaretoken": self._cookie("sample_csrf"),
        }
        self._fetch("/login/", data=urllib.parse.urlencode(form).encode())
        if not self._cookie("sample_session"):
            raise ClientError(f"{self.username} could not log in: was the password changed?")

    def open_socket(self, socket_url: str, *, channel: str) -> None:
        """Fetch a token and connect with it."""
        answer = json.loads(self._fetch("/token/", data=b""))
        query = urllib.parse.urlencode({"ws_token": answer["token"], "channel": channel})
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)
        try:
            self._socket = connect(
                f"{socket_url}?{query}",
                origin=Origin(self._site_url),
                additional_headers={"Cookie": cookies},
                proxy=None,
                open_timeout=_TIMEOUT_SECONDS,
            )
        except (OSError, WebSocketException) as exc:
            raise ClientError(f"{self.username} could not connect: {exc}.") from exc

    def send(self, frame: dict[str, Any]) -> None:
        """Send one JSON frame."""
        self._open.send(json.dumps(frame))

    def cut(self) -> None:
        """Lose the connection like in a broken network: no side says goodbye."""
        self._open.socket.shutdown(socket.SHUT_RDWR)
        self._open.socket.close()
        self._socket = None

    def resume(self, channel: str) -> list[dict[str, Any]]:
        """Return what was sent to the channel since the message that this client received last."""
        self.send({"_ws": {"type": "subscribe", "id": "resume", "channels": {channel: self._position}}})
        ours: dict[str, Any] = {}
        while ours.get("reply_to") != "resume":
            ours = json.loads(self._next()).get("_ws", {})
        answer = ours.get("channels", {}).get(channel, {})
        if "epoch" not in answer or "lost" in answer:
            raise ClientError(f"{self.username} cannot get the messages of {channel}: {json.dumps(ours)}.")
        messages = answer.get("messages", [])
        offset = messages[-1]["offset"] if messages else answer["offset"]
        self._position = {"epoch": answer["epoch"], "offset": offset}
        return [message["data"] for message in messages]

    def receive(self) -> str:
        """Return the next message or notification. Raise `ClientError` if none arrives in time."""
        while True:
            data = self._next()
            frame = json.loads(data)
            if frame.get("type") in _READABLE:
                place = frame.get("_ws", {})
                if "offset" in place:
                    self._position = {"epoch": place["epoch"], "offset": place["offset"]}
                return data

    def _next(self) -> str:
        try:
            return str(self._open.recv(timeout=_TIMEOUT_SECONDS))
        except TimeoutError as exc:
            raise ClientError(f"{self.username} received nothing in {_TIMEOUT_SECONDS:.0f} s.") from exc
        except WebSocketException as exc:
            raise ClientError(f"{self.username} lost the connection: {exc}.") from exc

    @property
    def _open(self) -> ClientConnection:
        if self._socket is None:
            raise ClientError(f"{self.username} is not connected.")
        return self._socket

    def _fetch(self, path: str, data: bytes | None = None) -> str:
        headers = {"Origin": self._site_url, "X-CSRFToken": self._cookie("sample_csrf")}
        request = urllib.request.Request(self._site_url + path, data=data, headers=headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as exc:
            with exc:
                raise ClientError(f"{self.username}: {path} answered {exc.code}.") from exc
        except OSError as exc:
            raise ClientError(f"{self.username}: {path} did not answer: {exc}.") from exc

    def _cookie(self, name: str) -> str:
        return next((cookie.value or "" for cookie in self._cookies if cookie.name == name), "")

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
