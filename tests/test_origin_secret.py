"""The origin secret and the installation's fingerprint."""

from __future__ import annotations

import hashlib
import hmac

from django.test import override_settings

from websocket_gateway import origin_secret as secrets


@override_settings(SECRET_KEY="one")
def test_the_secret_is_the_salted_hmac_of_the_api_id() -> None:
    key = hashlib.sha256(b"websocket_gateway.origin" + b"one").digest()
    expected = hmac.new(key, b"a1b2c3", hashlib.sha256).hexdigest()

    assert secrets.origin_secret("a1b2c3") == expected
    assert secrets.is_origin_secret(expected, "a1b2c3")
    assert not secrets.is_origin_secret(expected, "other")
    assert not secrets.is_origin_secret("", "a1b2c3")
    assert not secrets.is_origin_secret("é" * 64, "a1b2c3")


def test_a_rotated_key_is_accepted_while_it_is_a_fallback() -> None:
    with override_settings(SECRET_KEY="old"):
        secret, mark = secrets.origin_secret("a1b2c3"), secrets.installation_fingerprint()

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["older", "old"]):
        assert secrets.is_origin_secret(secret, "a1b2c3")
        assert mark in secrets.accepted_installation_fingerprints()
        assert mark != secrets.installation_fingerprint()
    with override_settings(SECRET_KEY="new"):
        assert not secrets.is_origin_secret(secret, "a1b2c3")
        assert mark not in secrets.accepted_installation_fingerprints()


def test_a_fingerprint_tells_secrets_apart_and_gives_none_away() -> None:
    secret = secrets.origin_secret("a1b2c3")

    fingerprint = secrets.secret_fingerprint(secret)

    assert fingerprint not in secret
    assert fingerprint != secrets.secret_fingerprint(secrets.origin_secret("other"))
