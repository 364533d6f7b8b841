# ruff: noqa: DJ001, DJ008
"""The other package's tables as its version 4.1 leaves them, made and filled without the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.apps.registry import Apps
from django.contrib.auth.models import Permission
from django.db import connection, models
from django.db.backends.utils import truncate_name
from django.utils import timezone

APP = "django_aws_api_gateway_websockets"
REGISTRY = Apps()


def meta(name: str) -> type:
    table = truncate_name(f"{APP}_{name}", connection.ops.max_name_length())
    return type("Meta", (), {"apps": REGISTRY, "app_label": APP, "db_table": table})


def text(length: int) -> Any:
    return models.CharField(max_length=length, default="")


class Gateway(models.Model):
    api_name = models.CharField(max_length=255, unique=True)
    api_description = text(255)
    default_channel_name = text(128)
    domain_name = text(255)
    target_base_endpoint = models.CharField(max_length=200, null=True)
    certificate_arn = text(255)
    hosted_zone_id = text(32)
    api_key_selection_expression = models.CharField(max_length=255, default="$request.header.x-api-key")
    route_selection_expression = models.CharField(max_length=255, default="$request.body.action")
    route_key = models.CharField(max_length=255, default="$default")
    stage_name = models.CharField(max_length=63, default="production")
    stage_description = text(63)
    deployment_id = text(32)
    tags = models.JSONField(default=dict)
    api_id = text(32)
    api_endpoint = text(255)
    api_gateway_domain_name = text(255)
    api_mapping_id = text(128)
    api_created = models.BooleanField(default=False)
    custom_domain_created = models.BooleanField(default=False)
    provisioning_status = models.CharField(max_length=16, default="pending")
    last_error = text(255)
    created_on = models.DateTimeField(default=timezone.now)
    updated_on = models.DateTimeField(default=timezone.now)

    Meta = meta("apigateway")


class AdditionalRoute(models.Model):
    api_gateway_id = models.BigIntegerField()
    name = models.CharField(max_length=63)
    route_key = models.CharField(max_length=64)
    integration_url = models.CharField(max_length=200)
    deployed = models.BooleanField(default=True)
    route_id = text(32)
    integration_id = text(32)
    created_on = models.DateTimeField(default=timezone.now)
    updated_on = models.DateTimeField(default=timezone.now)

    Meta = meta("apigatewayadditionalroute")


class Session(models.Model):
    connection_id = models.CharField(max_length=255, unique=True)
    channel_name = text(128)
    user_id = models.BigIntegerField(null=True)
    connected = models.BooleanField(default=True)
    api_gateway_id = models.BigIntegerField(null=True)
    request_count = models.PositiveBigIntegerField(default=1)
    session_key_hash = text(64)
    auth_hash = text(64)
    created_on = models.DateTimeField(default=timezone.now)
    updated_on = models.DateTimeField(default=timezone.now)

    Meta = meta("websocketsession")


class SessionBefore41(models.Model):
    connection_id = models.CharField(max_length=255, unique=True)
    channel_name = text(128)
    user_id = models.BigIntegerField(null=True)
    connected = models.BooleanField(default=True)
    api_gateway_id = models.BigIntegerField(null=True)
    request_count = models.PositiveBigIntegerField(default=1)
    created_on = models.DateTimeField(default=timezone.now)
    updated_on = models.DateTimeField(default=timezone.now)

    Meta = meta("websocketsession")


class ChannelRule(models.Model):
    channel_name = models.CharField(max_length=128, unique=True)
    access = models.CharField(max_length=16, default="allow_all")
    description = text(255)
    created_on = models.DateTimeField(default=timezone.now)
    updated_on = models.DateTimeField(default=timezone.now)

    Meta = meta("channelpermission")


class Alternative(models.Model):
    channel_permission_id = models.BigIntegerField()

    Meta = meta("channelpermissionrule")


class AlternativePermission(models.Model):
    channelpermissionrule_id = models.BigIntegerField()
    permission_id = models.IntegerField()

    Meta = meta("channelpermissionrule_permissions")


TABLES = (Gateway, AdditionalRoute, Session, ChannelRule, Alternative, AlternativePermission)


@contextmanager
def legacy_tables(*tables: type[models.Model]) -> Iterator[None]:
    """The old tables, for the length of a `with` block."""
    with connection.schema_editor() as editor:
        for table in tables:
            editor.create_model(table)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for table in reversed(tables):
                editor.delete_model(table)


def add_gateway(**values: Any) -> Any:
    """A gateway that the old package has deployed."""
    number = Gateway._default_manager.count() + 1
    standard = {
        "api_name": f"old {number}",
        "target_base_endpoint": "https://www.example.com/ws/",
        "api_id": f"old{number:07d}",
        "api_endpoint": f"wss://old{number:07d}.execute-api.eu-west-1.amazonaws.com",
        "deployment_id": "d1",
        "api_created": True,
        "provisioning_status": "deployed",
    }
    return Gateway._default_manager.create(**{**standard, **values})


def add_route(gateway: Any, route_key: str = "notify", **values: Any) -> Any:
    """An additional route of a gateway."""
    standard = {"name": route_key, "integration_url": f"https://www.example.com/ws/{route_key}"}
    return AdditionalRoute._default_manager.create(
        api_gateway_id=gateway.pk, route_key=route_key, **{**standard, **values}
    )


def add_session(gateway: Any, connection_id: str, **values: Any) -> Any:
    """An open connection, some minutes old."""
    standard = {"created_on": timezone.now() - timedelta(minutes=5)}
    return Session._default_manager.create(
        api_gateway_id=gateway and gateway.pk, connection_id=connection_id, **{**standard, **values}
    )


def add_rule(
    channel_name: str, access: str = "permissions", *alternatives: tuple[str, ...], description: str = ""
) -> Any:
    """A restricted channel; alternatives are tuples of codenames of Django's own permissions."""
    rule = ChannelRule._default_manager.create(
        channel_name=channel_name, access=access, description=description
    )
    for codenames in alternatives:
        alternative = Alternative._default_manager.create(channel_permission_id=rule.pk)
        for permission in Permission.objects.filter(codename__in=codenames):
            AlternativePermission._default_manager.create(
                channelpermissionrule_id=alternative.pk, permission_id=permission.pk
            )
    return rule
