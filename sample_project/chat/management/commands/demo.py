"""`manage.py demo`: run every part on this machine step by step, then serve the chat."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from contextlib import ExitStack
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from project.exposure import EXPOSED

from chat.demo.clients import ChatClient, ClientError
from chat.demo.processes import Child, ChildError, as_typed, child_environment, free_port, listens, run
from chat.rooms import LOBBY
from chat.users import DEMO_USERS
from chat.views import find_address
from websocket_gateway.conf import is_loopback
from websocket_gateway.models import ApiGateway

GATEWAY = "demo"
DEFAULT_PORT, DEFAULT_GATEWAY_PORT = 8000, 9000
_MESSAGES = 6
GREETING = {"type": "notification", "text": "Hello from the broadcast command"}


class Command(BaseCommand):
    """Start everything, show that a broadcast arrives, serve the chat until Ctrl-C."""

    help = "Run the local gateway and this site, broadcast to real clients, then serve the chat."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="End after the broadcast was received.")
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="Port of the site (8000).")
        parser.add_argument(
            "--gateway-port",
            type=int,
            default=DEFAULT_GATEWAY_PORT,
            help="Port of the local gateway (9000).",
        )

    def handle(self, *args: Any, once: bool, port: int, gateway_port: int, **options: Any) -> None:
        """Run the demo."""
        if EXPOSED:
            raise CommandError("The demo serves this machine only: unset SAMPLE_PUBLIC_HOST.")
        self.serving = False
        # End the children when the terminal is closed as well. (Windows has no SIGHUP.)
        for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
            signal.signal(number, _end)
        self._addresses(port, gateway_port)
        try:
            with ExitStack() as children:
                self._start(children)
                self._create_gateway()
                self._broadcast()
                if once:
                    self._say("\nDone: everything that was sent was received.")
                else:
                    self._serve(children)
        except (ChildError, ClientError) as exc:
            raise CommandError(str(exc)) from exc
        except DatabaseError as exc:
            raise CommandError(f"{exc}. Run first: {as_typed('migrate')}") from exc
        except KeyboardInterrupt:
            self._say("\nEnded.")
            if not self.serving:
                sys.exit(130)

    def _addresses(self, port: int, gateway_port: int) -> None:
        self.port, self.gateway_port = free_port(port), free_port(gateway_port)
        for wanted, found in ((port, self.port), (gateway_port, self.gateway_port)):
            if wanted not in (0, found):
                self._say(f"Port {wanted} is taken; {found} is used instead.")
        self.site_url = f"http://127.0.0.1:{self.port}"
        self.gateway_url = f"http://127.0.0.1:{self.gateway_port}"
        self.environment = child_environment(self.gateway_url)

    def _start(self, children: ExitStack) -> None:
        """Start both servers. They end in reverse order, so that the site gets the `$disconnect` events."""
        self._heading("Start the local gateway and the site")
        site_words = ("runserver", "--noreload", f"127.0.0.1:{self.port}")
        gateway_words = ("run_local_gateway", "--port", str(self.gateway_port))
        self._say(f"$ {as_typed(*gateway_words)}")
        self._say(f"$ {self._typed(*site_words)}")
        site = children.enter_context(Child(*site_words, environment=self.environment))
        gateway = children.enter_context(Child(*gateway_words, environment=self.environment))
        gateway.wait_until(lambda: listens(self.gateway_port))
        site.wait_until(lambda: listens(self.port))
        self.children = (site, gateway)
        self._say("Both are ready.")

    def _create_gateway(self) -> None:
        self._heading("Create the gateway")
        # The local gateway starts empty, so the gateway of an earlier row no longer exists.
        for row in ApiGateway.objects.filter(api_name=GATEWAY):
            if row.api_endpoint and not is_loopback(row.api_endpoint):
                raise CommandError(
                    f"The gateway {GATEWAY!r} in your database is a real one; rename it first."
                )
            row.delete()
        self._run(
            "create_gateway", GATEWAY, "--target", f"{self.site_url}/ws/", "--default-channel", LOBBY.slug
        )

    def _broadcast(self) -> None:
        socket_url = find_address()
        self._heading("Connect two clients")
        with ExitStack() as stack:
            clients = [stack.enter_context(ChatClient(user, site_url=self.site_url)) for user in DEMO_USERS]
            for client in clients:
                client.log_in()
                client.open_socket(socket_url, channel=LOBBY.slug)
                self._say(f"{client.username:<6} logged in, got a token, connected to {socket_url}")

            self._heading("Broadcast to them")
            self._run("broadcast", LOBBY.slug, json.dumps(GREETING))
            for client in clients:
                self._received(client, GREETING)

            self._heading("Let them talk")
            speaker = clients[0]
            text = "Hello, are you there?"
            self._say(f"{speaker.username:<6} sends     {text}")
            speaker.send({"handler": "send_message", "text": text})
            for client in clients:
                self._received(client, {"type": "message", "author": speaker.username, "text": text})

            self._cut(clients, socket_url)

    def _cut(self, clients: list[ChatClient], socket_url: str) -> None:
        """One client loses its connection while the other speaks, comes back, and has missed nothing."""
        self._heading("Cut a client in the middle")
        speaker, other = clients
        texts = [f"Message {number} of {_MESSAGES}" for number in range(1, _MESSAGES + 1)]
        heard: list[str] = []
        for text in texts:
            speaker.send({"handler": "send_message", "text": text})
            self._say(f"{speaker.username:<6} sends     {text}")
            speaker.receive()  # it is saved
            if len(heard) < _MESSAGES // 2:
                heard.append(json.loads(other.receive())["text"])
                self._say(f"{other.username:<6} received  {heard[-1]}")
                if len(heard) == _MESSAGES // 2:
                    other.cut()
                    self._say(f"{other.username:<6} lost the connection")
        other.open_socket(socket_url, channel=LOBBY.slug)
        self._say(f"{other.username:<6} connected again, and asks for what came after {heard[-1]!r}")
        for frame in other.resume(LOBBY.slug):
            heard.append(frame["text"])
            self._say(f"{other.username:<6} recovered {heard[-1]}")
        if heard != texts:
            raise ClientError(f"{other.username} should have got {texts}, not {heard}.")
        self._say(f"Nothing was missed: {_MESSAGES} messages, each once and in order.")

    def _received(self, client: ChatClient, expected: dict[str, str]) -> None:
        data = client.receive()
        self._say(f"{client.username:<6} received  {data}")
        frame = json.loads(data)
        if any(frame.get(key) != value for key, value in expected.items()):
            raise ClientError(f"{client.username} should have received {json.dumps(expected)}.")

    def _serve(self, children: ExitStack) -> None:
        self._heading("Now you")
        first, second = DEMO_USERS
        self._say(f"The chat is at {self.site_url}/")
        self._say(f"Log in as {first.username}, password {first.password}, and in a private window")
        self._say(f"or another browser as {second.username}, password {second.password}.")
        self._say("To broadcast to both, type in another terminal:")
        self._say(f"$ cd {shlex.quote(os.getcwd())}")
        self._say(f"$ {self._typed('broadcast', LOBBY.slug, json.dumps(GREETING))}")
        self._say("What to do next: management_docs/tutorial.md builds a chat of your own in one page,")
        self._say("and sample_project/chat/sockets.py has the view that answered here.")
        self._say("Ctrl-C stops it.")
        self.serving = True
        while True:
            for child in self.children:
                child.check()
            time.sleep(0.5)

    def _run(self, *words: str) -> None:
        self._say(f"$ {self._typed(*words)}")
        done = run(*words, environment=self.environment)
        self._say(done.stdout.rstrip())
        if done.returncode:
            raise ChildError(f"{words[0]} ended with status {done.returncode}.")

    def _typed(self, *words: str) -> str:
        is_default = self.gateway_port == DEFAULT_GATEWAY_PORT
        return as_typed(*words, gateway_url="" if is_default else self.gateway_url)

    def _heading(self, text: str) -> None:
        self._say(f"\n{self.style.MIGRATE_HEADING(text)}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
