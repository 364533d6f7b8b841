"""Credentials for a local endpoint, which accepts any."""

from __future__ import annotations

import botocore.session

PLACEHOLDER_KEY = "local"
# These ask no other service: environment, files, and the program that a profile names.
_LOCAL_PROVIDERS = frozenset(
    {"env", "shared-credentials-file", "custom-process", "config-file", "ec2-credentials-file", "boto-config"}
)


def use_local_credentials(core: botocore.session.Session) -> None:
    """Use the credentials that this machine holds, else placeholders.

    Providers that would ask STS, SSO or a metadata service are removed: they may hang, and need an account.
    """
    resolver = core.get_component("credential_provider")
    for provider in tuple(resolver.providers):
        if provider.METHOD not in _LOCAL_PROVIDERS:
            resolver.remove(provider.METHOD)
    # Loaded once, by the session itself: a provider of roles that loads twice reports an infinite loop.
    if core.get_credentials() is None:
        core.set_credentials(PLACEHOLDER_KEY, PLACEHOLDER_KEY)
