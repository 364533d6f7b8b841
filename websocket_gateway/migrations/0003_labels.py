"""Labels, help texts and choices of the admin."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import websocket_gateway.models.fields
import websocket_gateway.validators


class Migration(migrations.Migration):
    """Texts only: no statement on any database."""

    dependencies = [
        ("websocket_gateway", "0002_limits_and_security"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="connectionratelimit",
            options={"verbose_name": "rate limit counter", "verbose_name_plural": "rate limit counters"},
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="api_gateway_domain_name",
            field=models.CharField(
                blank=True, editable=False, max_length=512, verbose_name="target domain name"
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="api_id",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                blank=True, db_index=True, editable=False, max_length=64, verbose_name="API ID"
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="api_mapping_id",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                blank=True, editable=False, max_length=64, verbose_name="API mapping ID"
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="default_channel_name",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                blank=True,
                help_text="Channel for connections that do not specify one.",
                max_length=191,
                verbose_name="default channel",
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="deployment_id",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                blank=True, editable=False, max_length=64, verbose_name="deployment ID"
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="hosted_zone_id",
            field=models.CharField(blank=True, max_length=64, verbose_name="hosted zone ID"),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="mapping_key",
            field=models.CharField(
                blank=True,
                max_length=300,
                validators=[websocket_gateway.validators.validate_mapping_key],
                verbose_name="API mapping key",
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="region_name",
            field=models.CharField(
                blank=True,
                help_text="If blank, AWS_GATEWAY_REGION_NAME is used. Cannot be changed once the gateway exists in AWS.",
                max_length=32,
                verbose_name="region",
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="target_base_endpoint",
            field=models.CharField(
                help_text="URL of the WebSocketView without its last path segment, such as https://www.example.com/ws/.",
                max_length=2000,
                validators=[websocket_gateway.validators.validate_http_url],
                verbose_name="target URL",
            ),
        ),
        migrations.AlterField(
            model_name="apigateway",
            name="two_way",
            field=models.BooleanField(
                default=True,
                help_text="Send the return values of handlers of $default to the client.",
                verbose_name="two-way",
            ),
        ),
        migrations.AlterField(
            model_name="apigatewayadditionalroute",
            name="integration_url",
            field=models.CharField(
                max_length=2000,
                validators=[websocket_gateway.validators.validate_http_url],
                verbose_name="integration URL",
            ),
        ),
        migrations.AlterField(
            model_name="apigatewayadditionalroute",
            name="two_way",
            field=models.BooleanField(
                default=True,
                help_text="Send the return values of the route's handlers to the client.",
                verbose_name="two-way",
            ),
        ),
        migrations.AlterField(
            model_name="broadcastrun",
            name="audience",
            field=models.CharField(
                choices=[("channel", "channel"), ("user", "user"), ("everyone", "everyone")],
                max_length=16,
                verbose_name="audience",
            ),
        ),
        migrations.AlterField(
            model_name="broadcastrun",
            name="finished_on",
            field=models.DateTimeField(blank=True, null=True, verbose_name="ended"),
        ),
        migrations.AlterField(
            model_name="broadcastrun",
            name="max_per_second",
            field=models.FloatField(
                default=0,
                help_text="For the whole broadcast. 0 means no limit.",
                verbose_name="maximum messages per second",
            ),
        ),
        migrations.AlterField(
            model_name="broadcastrun",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="websocket_broadcasts",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AlterField(
            model_name="channelpermission",
            name="any_of",
            field=models.JSONField(
                blank=True,
                default=list,
                validators=[websocket_gateway.validators.validate_permission_names],
                verbose_name="at least one of these permissions",
            ),
        ),
        migrations.AlterField(
            model_name="channelpermission",
            name="audience",
            field=models.CharField(
                choices=[
                    ("anyone", "everyone, including anonymous users"),
                    ("authenticated", "logged-in users"),
                    ("staff", "staff users"),
                    ("superuser", "superusers"),
                    ("permissions", "users with the permissions below"),
                ],
                default="authenticated",
                max_length=16,
                verbose_name="allowed users",
            ),
        ),
        migrations.AlterField(
            model_name="channelpermission",
            name="channel_name",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                help_text="A channel name, or a prefix followed by *. An exact name takes precedence over a prefix, and a longer prefix over a shorter one.",
                max_length=191,
                unique=True,
                verbose_name="channel",
            ),
        ),
        migrations.AlterField(
            model_name="channelsubscription",
            name="created_on",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="subscribed at"),
        ),
        migrations.AlterField(
            model_name="connectionratelimit",
            name="window_start",
            field=models.DateTimeField(db_index=True, verbose_name="start of the window"),
        ),
        migrations.AlterField(
            model_name="handledmessage",
            name="created_on",
            field=models.DateTimeField(
                db_index=True, default=django.utils.timezone.now, verbose_name="handled at"
            ),
        ),
        migrations.AlterField(
            model_name="websocketsession",
            name="channel_name",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                blank=True, default="", max_length=191, verbose_name="primary channel"
            ),
        ),
        migrations.AlterField(
            model_name="websocketsession",
            name="connection_id",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                max_length=255, unique=True, verbose_name="connection ID"
            ),
        ),
        migrations.AlterField(
            model_name="websocketsession",
            name="created_on",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="connected at"),
        ),
        migrations.AlterField(
            model_name="websocketsession",
            name="disconnected_on",
            field=models.DateTimeField(blank=True, null=True, verbose_name="disconnected at"),
        ),
    ]
