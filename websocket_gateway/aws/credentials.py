"""The credentials of one boto3 session: loaded once, and renewed without holding up other threads.

This module imports botocore, so `clients` imports it at the first AWS call.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import botocore.session
from botocore.credentials import Credentials as Boto3Credentials
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

PLACEHOLDER_KEY = "local"
# These call no other service: environment, files, and the program that a profile names.
_LOCAL_PROVIDERS = frozenset(
    {"env", "shared-credentials-file", "custom-process", "config-file", "ec2-credentials-file", "boto-config"}
)


class Credentials(NamedTuple):
    """A key pair, with the session token that belongs to temporary ones."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key={self.access_key!r})"


class SessionCredentials:
    """Takes the place of botocore's own provider in `core`, the session that clients are made from.

    Providers call programs and services, which may take seconds or hang. No thread waits for that but the one
    that began it, and those that have no valid credentials to go on with.
    """

    def __init__(self, core: botocore.session.Session, *, is_local: bool) -> None:
        self._provider = core.get_component("credential_provider")
        self._is_local = is_local
        self._found: Boto3Credentials | None = None
        self._last: ReadOnlyCredentials | None = None
        self._loading = threading.Lock()
        self._renewing = threading.Lock()
        if is_local:
            self._remove_services()
        core.register_component("credential_provider", self)

    @property
    def are_placeholders(self) -> bool:
        """Whether no provider had any; for a local endpoint."""
        return self._found is not None and self.current().access_key == PLACEHOLDER_KEY

    def use(self, access_key: str, secret_key: str, token: str | None) -> None:
        """Use this pair instead of calling the providers."""
        self._found = Boto3Credentials(access_key, secret_key, token)

    def load(self) -> None:
        """Call the providers, unless one has answered; placeholders do for a local endpoint."""
        if self._found is None:
            with self._loading:
                if self._found is None:
                    self._found = self._provider.load_credentials()
                if self._found is None and self._is_local:
                    self.use(PLACEHOLDER_KEY, PLACEHOLDER_KEY, None)

    def load_credentials(self) -> Boto3Credentials | None:
        """What botocore calls to make a client; never calls a provider."""
        return None if self._found is None else _Shared(self, self._found.method)

    def keys(self) -> Credentials:
        """The credentials as they are now, for signing without botocore."""
        now = self.current()
        return Credentials(str(now.access_key), str(now.secret_key), now.token)

    def current(self) -> ReadOnlyCredentials:
        """The credentials now. While another thread renews them, the old ones serve until they expire."""
        found = self._found
        if found is None:
            raise NoCredentialsError
        # Never waited for: the lock only tells which thread renews.
        if not self._renewing.acquire(blocking=False):
            return self._last if self._last and _is_valid(found) else _frozen(found)
        try:
            self._last = _frozen(found)
        finally:
            self._renewing.release()
        return self._last

    def _remove_services(self) -> None:
        """Remove the providers that call STS, SSO or a metadata service, which need an account."""
        for provider in tuple(self._provider.providers):
            if provider.METHOD not in _LOCAL_PROVIDERS:
                self._provider.remove(provider.METHOD)


class _Shared(Boto3Credentials):
    """What clients sign with. botocore's own make all threads wait for the one that renews them."""

    def __init__(self, source: SessionCredentials, method: str) -> None:
        self._source = source
        self.method = method

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._source.current()

    access_key = property(lambda self: self._source.current().access_key)
    secret_key = property(lambda self: self._source.current().secret_key)
    token = property(lambda self: self._source.current().token)
    account_id = property(lambda self: self._source.current().account_id)


def _is_valid(found: Boto3Credentials) -> bool:
    return not isinstance(found, RefreshableCredentials) or not found.refresh_needed(0)


def _frozen(found: Boto3Credentials) -> ReadOnlyCredentials:
    try:
        return found.get_frozen_credentials()
    except RuntimeError as exc:  # what botocore raises for new credentials that have expired already
        raise CredentialRetrievalError(provider=str(found.method), error_msg=str(exc)) from exc
