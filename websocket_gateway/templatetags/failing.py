"""Template tags that take no page down.

A mistake in a tag is an error for developers, under `DEBUG` and in tests. In production the page is shown
without an address to connect to, and the log says why, once for each process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from django import template
from django.conf import settings
from django.db import Error, connections
from django.template.base import Node, Parser, Token
from django.template.context import Context
from django.utils.safestring import SafeString

from websocket_gateway.client_config import warn_once
from websocket_gateway.database_engines import aborts_transactions

Instead = Callable[[Context], SafeString]
"""Makes what a page gets in the place of a tag that fails."""


def register_safely(
    register: template.Library, function: Callable[..., Any], *, instead: Instead, takes_context: bool = False
) -> None:
    """`simple_tag`, but in production a tag that fails gives what `instead` makes."""
    name = function.__name__
    simple = template.Library()
    simple.simple_tag(function, takes_context=takes_context or None)
    compile_tag = simple.tags[name]

    def compile_safely(parser: Parser, token: Token) -> Node:
        try:
            return _SafeNode(name, instead, node=compile_tag(parser, token))
        except template.TemplateSyntaxError as exc:  # such as an argument that the tag does not have
            if _is_for_developers():
                raise
            return _SafeNode(name, instead, failure=str(exc))

    register.tag(name, compile_safely)


class _SafeNode(Node):
    """A tag, or the reason why it cannot be compiled."""

    def __init__(self, name: str, instead: Instead, *, node: Node | None = None, failure: str = "") -> None:
        self._name = name
        self._instead = instead
        self._node = node
        self._failure = failure

    def render(self, context: Context) -> SafeString:
        """What the tag gives, else what is given instead."""
        if self._node is None:
            return self._without(context, self._failure)
        try:
            return SafeString(self._node.render(context))
        except Exception as exc:
            if _is_for_developers() or (isinstance(exc, Error) and _has_broken_transaction()):
                raise
            return self._without(context, f"{type(exc).__name__}: {exc}")

    def _without(self, context: Context, reason: str) -> SafeString:
        warn_once(f"A page has no address to connect to: {{% {self._name} %}} failed: {reason[:500]}")
        target = getattr(self._node, "target_var", None)
        if target is None:
            return self._instead(context)
        context[target] = self._instead(context)
        return SafeString("")


def _is_for_developers() -> bool:
    """Whether an error is shown to those who can correct it: under `DEBUG` and in tests.

    Every test runner calls Django's `setup_test_environment()`, which makes the outbox.
    """
    return bool(settings.DEBUG) or hasattr(sys.modules.get("django.core.mail"), "outbox")


def _has_broken_transaction() -> bool:
    """Whether a page that goes on would lose silently what its view has written, as on PostgreSQL."""
    opened = connections.all(initialized_only=True)
    return any(one.in_atomic_block and aborts_transactions(one) for one in opened)
