"""Notifications of users who are mentioned in a message: `@grace`."""

from __future__ import annotations

import re

from django.contrib.auth.models import User

from chat.models import Message
from websocket_gateway.sending import broadcast


def notify_mentioned(message: Message) -> None:
    """Put a notification into the inbox of each user that the message mentions."""
    names = set(re.findall(r"@([\w.+-]+)", message.text))
    for user in User.objects.filter(username__in=names).exclude(pk=message.author.pk):
        broadcast({**message.as_frame(), "type": "mention"}, user=user, inbox=True)
