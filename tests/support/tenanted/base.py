"""SQLite that knows of tenants as django-tenants does: it remembers to which one it was set."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.backends.sqlite3 import base


class Tenant(NamedTuple):
    """A tenant."""

    schema_name: str


PUBLIC = Tenant("public")


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that is set to a tenant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.set_tenant(PUBLIC)

    @property
    def schema_name(self) -> str:
        """The name of the tenant's schema."""
        return self.tenant.schema_name

    def set_tenant(self, tenant: Tenant, include_public: bool = True) -> None:
        """Go to a tenant."""
        self.tenant = tenant
        self.include_public_schema = include_public

    def set_schema(self, schema_name: str) -> None:
        """Go to a schema."""
        self.set_tenant(Tenant(schema_name))
