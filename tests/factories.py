# factory_boy declares its own names neither exported nor typed.
# mypy: disable-error-code="attr-defined, no-untyped-call"
"""One factory a model; traits name the states that tests care about."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth.models import User
from django.utils import timezone

from websocket_gateway import models

PASSWORD = "correct horse battery staple"


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A user who can log in with `PASSWORD`."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda number: f"user{number}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    password = factory.django.Password(PASSWORD)

    class Params:
        staff = factory.Trait(is_staff=True)
        superuser = factory.Trait(is_staff=True, is_superuser=True)
        inactive = factory.Trait(is_active=False)


class ApiGatewayFactory(factory.django.DjangoModelFactory[models.ApiGateway]):
    """A gateway that exists in AWS; `planned=True` for one that does not yet."""

    class Meta:
        model = models.ApiGateway

    api_name = factory.Sequence(lambda number: f"gateway{number}")
    region_name = "eu-west-1"
    target_base_endpoint = "https://www.example.com/ws/"
    api_id = factory.Sequence(lambda number: f"api{number:07d}")
    api_endpoint = factory.LazyAttribute(
        lambda row: f"wss://{row.api_id}.execute-api.eu-west-1.amazonaws.com" if row.api_id else ""
    )
    api_created = True

    class Params:
        planned = factory.Trait(api_id="", api_endpoint="", api_created=False)
        custom_domain = factory.Trait(
            domain_name=factory.Sequence(lambda number: f"ws{number}.example.com"),
            certificate_arn="arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555",
            custom_domain_created=True,
        )


class ApiGatewayAdditionalRouteFactory(
    factory.django.DjangoModelFactory[models.ApiGatewayAdditionalRoute],
):
    """A route beside the three standard ones."""

    class Meta:
        model = models.ApiGatewayAdditionalRoute

    api_gateway = factory.SubFactory(ApiGatewayFactory)
    name = factory.LazyAttribute(lambda row: f"Route {row.route_key}")
    route_key = factory.Sequence(lambda number: f"route{number}")
    integration_url = factory.LazyAttribute(lambda row: f"https://www.example.com/ws/{row.route_key}")


class WebSocketSessionFactory(factory.django.DjangoModelFactory[models.WebSocketSession]):
    """An open connection, some minutes old."""

    class Meta:
        model = models.WebSocketSession

    connection_id = factory.Sequence(lambda number: f"Conn{number:010d}=")
    channel_name = "lobby"
    api_gateway = factory.SubFactory(ApiGatewayFactory)
    created_on = factory.LazyFunction(lambda: timezone.now() - timedelta(minutes=5))
    last_seen_on = factory.LazyFunction(timezone.now)

    class Params:
        ended = factory.Trait(connected=False, disconnected_on=factory.LazyFunction(timezone.now))
        fresh = factory.Trait(created_on=factory.LazyFunction(timezone.now))
        stale = factory.Trait(
            created_on=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=3)),
            last_seen_on=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=3)),
        )
        logged_in = factory.Trait(user=factory.SubFactory(UserFactory))


class ChannelSubscriptionFactory(factory.django.DjangoModelFactory[models.ChannelSubscription]):
    """A further channel of a session."""

    class Meta:
        model = models.ChannelSubscription

    session = factory.SubFactory(WebSocketSessionFactory)
    channel_name = factory.Sequence(lambda number: f"channel{number}")


class ChannelPermissionFactory(factory.django.DjangoModelFactory[models.ChannelPermission]):
    """Who may join a channel; logged-in users unless told otherwise."""

    class Meta:
        model = models.ChannelPermission

    channel_name = factory.Sequence(lambda number: f"restricted{number}")


class WebSocketTokenFactory(factory.django.DjangoModelFactory[models.WebSocketToken]):
    """A token row whose clear text is `token`, bound to nothing but its user."""

    class Meta:
        model = models.WebSocketToken
        exclude = ("token",)

    token: Any = factory.Sequence(lambda number: f"token{number}")
    token_hash = factory.LazyAttribute(lambda row: hashlib.sha256(row.token.encode()).hexdigest())
    user = factory.SubFactory(UserFactory)
    expires_on = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=1))

    class Params:
        expired = factory.Trait(expires_on=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1)))
        used = factory.Trait(used_on=factory.LazyFunction(timezone.now))


class ConnectionRateLimitFactory(factory.django.DjangoModelFactory[models.ConnectionRateLimit]):
    """A counter of attempts."""

    class Meta:
        model = models.ConnectionRateLimit

    key = factory.Sequence(lambda number: f"connect:user:{number}")
    window_start = factory.LazyFunction(timezone.now)
    attempts = 1

    class Params:
        stale = factory.Trait(window_start=factory.LazyFunction(lambda: timezone.now() - timedelta(days=1)))


class HandledMessageFactory(factory.django.DjangoModelFactory[models.HandledMessage]):
    """A message that was handled."""

    class Meta:
        model = models.HandledMessage

    key = factory.Sequence(lambda number: hashlib.sha256(str(number).encode()).hexdigest())


class BroadcastRunFactory(factory.django.DjangoModelFactory[models.BroadcastRun]):
    """A broadcast to everyone that is under way."""

    class Meta:
        model = models.BroadcastRun

    message = b"{}"
    audience = models.BroadcastRun.AudienceType.EVERYONE

    class Params:
        finished = factory.Trait(
            state=models.BroadcastRun.State.FINISHED, finished_on=factory.LazyFunction(timezone.now)
        )


class BroadcastShardFactory(factory.django.DjangoModelFactory[models.BroadcastShard]):
    """A shard that nobody has begun."""

    class Meta:
        model = models.BroadcastShard

    run = factory.SubFactory(BroadcastRunFactory)
    first_pk = factory.Sequence(lambda number: number * 1_000 + 1)
    last_pk = factory.LazyAttribute(lambda shard: shard.first_pk + 999)
    position = factory.LazyAttribute(lambda shard: shard.first_pk - 1)
