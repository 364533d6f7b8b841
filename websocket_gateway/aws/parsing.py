"""What botocore lets pass and AWS never sends."""

from __future__ import annotations

import json
from typing import Any


def refuse_other_than_json(response_dict: dict[str, Any], **kwargs: Any) -> None:
    """Raise `ValueError` for a success whose body is no JSON object: a proxy's page, or half an answer.

    botocore would report it as an answer without any fields, and a list without items is an account without
    APIs: everything would be created once more.
    """
    body = response_dict["body"]
    if response_dict["status_code"] < 300 and body.strip() and not isinstance(json.loads(body), dict):
        raise ValueError("no JSON object")
