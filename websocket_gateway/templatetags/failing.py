"""Template tags that take no page down.

A mistake in a tag is an error for developers, under `DEBUG` and in tests. In production the page is shown
without an address to connect to, and the log says why, once for each process.
"""

from __future__ import annotations

from collections.abc import Callable

from django import template
from django.template.base import Node, Parser, Token
from django.template.context import Context
from django.utils.safestring import SafeString

from websocket_gateway.page_errors import is_for_developers, must_raise, warn_once

Instead = Callable[[Context], SafeString]
"""Makes what a page gets in the place of a tag that fails."""


def register_safely(
    register: template.Library,
    function: Callable[..., object],
    *,
    instead: Instead,
    takes_context: bool = False,
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
            if is_for_developers():
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
            if must_raise(exc):
                raise
            return self._without(context, f"{type(exc).__name__}: {exc}")

    def _without(self, context: Context, reason: str) -> SafeString:
        warn_once(f"A page has no address to connect to: {{% {self._name} %}} failed: {reason[:500]}")
        target = getattr(self._node, "target_var", None)
        if target is None:
            return self._instead(context)
        context[target] = self._instead(context)
        return SafeString("")
