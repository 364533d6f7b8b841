"""Each rule is written once: a second copy is where the two begin to differ."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "websocket_gateway"

RULES = {
    "too young to be called closed": (r"timedelta\(.*connect_grace_seconds", "connections/sessions.py"),
    "too old to be alive": (r"timedelta\(.*max_connection_seconds", "connections/sessions.py"),
    "not in AWS yet": (r"does not exist in AWS yet\. ", "connections/endpoints.py"),
    "secret of a gateway": (r"\borigin_secret\(api_id, ", "provisioning/wanted.py"),
    "names of database engines": (r"\bvendor [!=]= ", "database_engines.py"),
    "trailing slash of the target": (r"target_base_endpoint\.endswith", "models/gateways.py"),
    "audience in words": (r"f\"(channel|user) \{", "sending/audience.py"),
    "pauses of a polling loop": (r"chain\(.*repeat\(", "provisioning/steps/context.py"),
    "region of an API": (r"\) or resolve_region\(", "aws/endpoints.py"),
    "nothing came back": (r"no answer from", "aws/engines/outcomes.py"),
    "share of an endpoint": (r"max\(1, busy\)", "aws/engines/retries.py"),
    "most tasks of a broadcast": (r"min\(MAX_TASKS", "sending/runs.py"),
    "end of a broadcast": (r"\.update\(\s*state=", "sending/finishing.py"),
    "primary channel of a session": (r"\.channel_name = (?!\"\")", "models/sessions.py"),
    "may join": (r"ErrorCode\.CHANNEL_DENIED", "views/channels.py"),
    "active user": (r"\"is_active\", True", "logins.py"),
    "key of the session": (r"\"session_key\"|session\.session_key\b", "logins.py"),
    "kept by a history": (r"\bhistory_messages \+|- self\.history_messages|=\w*\.history_seconds", "conf.py"),
    "used or expired token": (r"used_on(=None|__isnull)|expires_on <= ", "models/security.py"),
    "permissions of the user": (r"(any|all)\([^)]*has_perm\b", "auth_backends.py"),
}


def places(pattern: str) -> set[str]:
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if not {"migrations", "testing"} & set(path.parts) and re.search(pattern, path.read_text())
    }


@pytest.mark.parametrize(("pattern", "place"), RULES.values(), ids=RULES)
def test_a_rule_has_one_place(pattern: str, place: str) -> None:
    assert places(pattern) == {place}
