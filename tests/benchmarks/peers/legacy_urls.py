"""The view of the project with django-aws-api-gateway-websockets: the same answer as our own."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django_aws_api_gateway_websockets.views import WebSocketView


class ChatView(WebSocketView):
    """One handler."""

    def say(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        """Answer with the text."""
        return JsonResponse({"said": self.body["text"]})


urlpatterns = [path("ws/<slug:route>", ChatView.as_view())]
