"""The secret that API Gateway sends with every event, and the fingerprint of this installation.

Both are derived from `SECRET_KEY`, so no secret is stored, and both support
`SECRET_KEY_FALLBACKS`: rotate the key, deploy, run `sync_routes`, drop the fallback.
The secret also has a generation, which the gateway's row holds, so it can be rotated alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from websocket_gateway.conf import get_settings

_SALT = "websocket_gateway.origin"
_INSTALLATION_SALT = "websocket_gateway.installation"


def origin_secret(api_id: str, generation: int = 0) -> str:
    """The secret that integrations of this API are given: 64 hex digits."""
    return _derived_secret(api_id, generation, settings.SECRET_KEY)


def is_origin_secret(value: str, api_id: str, generations: Iterable[int] = (0,)) -> bool:
    """Whether `value` is a secret of this API under the current key or a fallback, in constant time."""
    found = False
    for generation in generations:
        for key in _keys():  # every one is compared, whatever the first one answers
            found |= constant_time_compare(value, _derived_secret(api_id, generation, key))
    return found


def accepted_generations(generation: int, *, rotating: bool) -> range:
    """The generations that events may carry.

    The next one is accepted beforehand: it cannot be guessed, and a process that still caches the row of
    before the rotation must not refuse it. The previous one is accepted only while a
    rotation is not finished.
    """
    return range(generation - rotating, generation + 2)


@lru_cache(maxsize=256)
def _derived_secret(api_id: str, generation: int, key: str | bytes) -> str:
    # Every event is compared with the same few secrets. Generation 0 is the secret of before generations.
    value = f"{api_id}:{generation}" if generation else api_id
    return salted_hmac(_SALT, value, secret=key, algorithm="sha256").hexdigest()


def secret_fingerprint(secret: str) -> str:
    """A short digest that tells two secrets apart and gives neither away."""
    return hashlib.sha256(b"websocket_gateway.fingerprint:" + secret.encode()).hexdigest()[:16]


def installation_fingerprint() -> str:
    """The mark of this installation that our resources in AWS and the rows of applied gateways carry."""
    name = get_settings().installation_name
    return _named_installation(name) if name else _installation(settings.SECRET_KEY)


def accepted_installation_fingerprints() -> frozenset[str]:
    """Our mark by `INSTALLATION_NAME`, under the current key and under each fallback."""
    name = get_settings().installation_name
    named = (_named_installation(name),) if name else ()
    return frozenset((*named, *map(_installation, _keys())))


def is_foreign_installation(fingerprint: str) -> bool:
    """Whether this is the mark of another installation; an empty one is not."""
    return bool(fingerprint) and fingerprint not in accepted_installation_fingerprints()


@lru_cache(maxsize=64)
def _installation(key: str | bytes) -> str:
    return salted_hmac(_INSTALLATION_SALT, "", secret=key, algorithm="sha256").hexdigest()[:16]


def _named_installation(name: str) -> str:
    # Not derived from SECRET_KEY: installations that share a name have different keys.
    return hashlib.sha256(f"{_INSTALLATION_SALT}:{name}".encode()).hexdigest()[:16]


def _keys() -> Iterator[str | bytes]:
    yield settings.SECRET_KEY
    yield from settings.SECRET_KEY_FALLBACKS
