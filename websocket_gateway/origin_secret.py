"""The secret that API Gateway sends with every event, and the fingerprint of this installation.

Both are derived from `SECRET_KEY`, so no secret is stored, and both support
`SECRET_KEY_FALLBACKS`: rotate the key, deploy, run `sync_routes`, drop the fallback.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

_SALT = "websocket_gateway.origin"
_INSTALLATION_SALT = "websocket_gateway.installation"


def origin_secret(api_id: str) -> str:
    """The secret that integrations of this API are given: 64 hex digits."""
    return salted_hmac(_SALT, api_id, algorithm="sha256").hexdigest()


def is_origin_secret(value: str, api_id: str) -> bool:
    """Whether `value` is the secret of this API under the current key or a fallback, in constant time."""
    found = False
    for key in _keys():  # every key is compared, whatever the first one answers
        found |= constant_time_compare(value, _derived_secret(api_id, key))
    return found


@lru_cache(maxsize=64)
def _derived_secret(api_id: str, key: str | bytes) -> str:
    # Every event is compared with the same few secrets.
    return salted_hmac(_SALT, api_id, secret=key, algorithm="sha256").hexdigest()


def secret_fingerprint(secret: str) -> str:
    """A short digest that tells two secrets apart and gives neither away."""
    return hashlib.sha256(b"websocket_gateway.fingerprint:" + secret.encode()).hexdigest()[:16]


def installation_fingerprint() -> str:
    """The mark of this installation that our resources in AWS carry."""
    return _installation(settings.SECRET_KEY)


def accepted_installation_fingerprints() -> frozenset[str]:
    """Our mark under the current key and under each fallback."""
    return frozenset(_installation(key) for key in _keys())


def _installation(key: str | bytes) -> str:
    return salted_hmac(_INSTALLATION_SALT, "", secret=key, algorithm="sha256").hexdigest()[:16]


def _keys() -> Iterator[str | bytes]:
    yield settings.SECRET_KEY
    yield from settings.SECRET_KEY_FALLBACKS
