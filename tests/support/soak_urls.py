"""The project of `soaking`: a view whose handler publishes, once for each frame."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.urls import path

from tests.views.urls import PublicView, urlpatterns
from websocket_gateway.sending import broadcast


class SoakView(PublicView):
    """Publishes in the transaction that marks the frame as handled."""

    deduplicate = True

    def place(self, request: HttpRequest) -> dict[str, Any]:
        """Publish a message that names the frame."""
        with transaction.atomic():
            broadcast({"key": self.body["key"]}, channel=self.body["channel"])
        return {"placed": self.body["key"]}


urlpatterns = [*urlpatterns, path("soak/<str:route>", SoakView.as_view(), name="soak")]
