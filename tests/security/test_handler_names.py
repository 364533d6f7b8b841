"""Names that a client may try where a handler is named, over a real socket: none of them is called."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.security.servers import NEEDS_COMMITS
from tests.security.site import AttackedView
from tests.security.world import World

pytestmark = [pytest.mark.django_db(transaction=NEEDS_COMMITS), pytest.mark.urls("tests.security.site")]

_PYTHON = """
__init__ __class__ __dict__ __doc__ __module__ __getattribute__ __setattr__ __delattr__ __reduce__
__reduce_ex__ __subclasshook__ __init_subclass__ __new__ __repr__ __str__ __sizeof__ __format__ __hash__
__eq__ __dir__ __globals__ __code__ __mro__ __subclasses__
"""
_VIEW = """
as_view setup dispatch http_method_not_allowed options view_is_async http_method_names connect disconnect
can_join_channel can_read_history has_any_permission has_all_permission additional_connection_checks
missing_headers invalid_useragent permission_denied session_not_found handler_selection_key_missing
handler_table websocket_session api_gateway event body request args kwargs debug deduplicate
permissions_required all_permissions_required ALLOWED_HANDLERS ADDITIONAL_ALLOWED_HANDLERS USE_WS_TOKEN
MAX_BODY_SIZE websocket_route_keys expected_useragent_prefix aws_api_gateway_id get post put patch delete
head trace default
"""
_OWN = """
_private _call _decide _slug _receive_event _allowed_methods _reply_id _begun _knows_source_ip api_key
static of_class prop Nested helper guarded
"""
SPELLINGS = [
    *("Say", "SAY", " say", "say ", "say\n", "say\t", "say\u200b", "say\u0301", "\u0455ay", "s\u0430y"),
    *("\uff53\uff41\uff59", "say()", "say.__call__", "say.__func__", "say.__globals__", "self.say"),
    *("view.say", "AttackedView.say", "say;static", "say,static", "say|static", "say/../static", "../say"),
    *("say%00", "say\x00", "", " ", "*", "say*", "?", "s?y", "$default", "$connect", "$disconnect", "_ws"),
    *("ping", "subscribe", "unsubscribe", "recover", "history"),
]
FOREIGN = [
    *("os.system", "eval", "exec", "open", "print", "import", "__import__('os').system('id')", "{{7*7}}"),
    *("${7*7}", "%(say)s", "{0.__class__}", "constructor", "__proto__", "prototype", "toString", "valueOf"),
    *("null", "None", "true", "' OR '1'='1", "; DROP TABLE auth_user", "<script>alert(1)</script>"),
    *("tests.security.site.AttackedView.say", "x" * 100_000),
]
NOT_TEXT: list[object] = [
    *(None, True, False, 0, 1, -1, 1.5, [], ["say"], {}, {"name": "say"}, [["say"]], {"handler": "say"}),
]
NAMES: list[object] = [*_PYTHON.split(), *_VIEW.split(), *_OWN.split(), *SPELLINGS, *FOREIGN, *NOT_TEXT]
KEYS = ("handler", "action")
CASES = 326
"""Each of the names, under both keys of a frame."""


def test_the_table_is_not_shortened() -> None:
    assert len(NAMES) * len(KEYS) == CASES
    assert len({json.dumps(name) for name in NAMES}) == len(NAMES)


def test_a_client_can_name_three_handlers() -> None:
    assert set(AttackedView.handler_table) == {"say", "guarded", "change_channel"}


@pytest.mark.parametrize("key", KEYS)
def test_no_other_name_is_called(world: World, key: str) -> None:
    genuine, before = world.genuine("message"), world.rows()

    called = {}
    for name in NAMES:
        answer = world.attack(replace(genuine, body=json.dumps({key: name}).encode()))
        world.assert_no_secret(answer)
        if answer.status not in (400, 403) or b"a-value-of" in answer.raw or world.rows() != before:
            called[str(name)] = answer.raw

    assert called == {}
    assert world.handled() == []


def test_no_attribute_of_the_view_is_called(world: World) -> None:
    genuine = world.genuine("message")
    names = [name for name in dir(AttackedView) if name not in ("say", "change_channel")]
    assert len(names) > 90

    statuses = {
        name: world.attack(replace(genuine, body=json.dumps({"handler": name}).encode())).status
        for name in names
    }

    assert {name for name, status in statuses.items() if status != 400} == {"guarded"}
    assert world.handled() == []
