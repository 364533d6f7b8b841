from django.conf import settings
from django.db import models
from django.db.models.signals import m2m_changed
from django.dispatch import receiver

from websocket_gateway.connections import revoke
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import broadcast


class Organisation(models.Model):
    name = models.CharField(max_length=80)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="organisations")

    def channel(self, topic):
        """The name of one of its channels: the only place that builds one."""
        return f"org{self.pk}_{topic}"


class Order(models.Model):
    organisation = models.ForeignKey(Organisation, models.CASCADE)
    item = models.CharField(max_length=80)

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        broadcast(
            {"type": "order", "id": self.pk, "item": self.item}, channel=self.organisation.channel("orders")
        )


@receiver(m2m_changed, sender=Organisation.members.through)
def end_sockets_of_former_members(action, instance, reverse, pk_set, **kwargs):
    """Who has left connects again, and joins what is still allowed."""
    if action == "post_remove":
        users = [instance.pk] if reverse else pk_set
        revoke(WebSocketSession.objects.filter(user__in=users), reason="membership")
    if action == "pre_clear":
        users = [instance.pk] if reverse else instance.members.values("pk")
        revoke(WebSocketSession.objects.filter(user__in=users), reason="membership")
