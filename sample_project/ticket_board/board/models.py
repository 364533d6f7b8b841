from django.db import models
from django.template.loader import render_to_string

from websocket_gateway.sending import broadcast


class Ticket(models.Model):
    title = models.CharField(max_length=100)
    assignee = models.ForeignKey("auth.User", models.SET_NULL, null=True)
    progress = 1  # of the import that this ticket belongs to

    def __str__(self):
        return self.title

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        html = render_to_string("_ticket.html", {"ticket": self})
        broadcast({"id": self.pk, "html": html, "progress": self.progress}, channel="board")
