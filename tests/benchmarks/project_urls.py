"""The views of our side of the comparisons."""

from __future__ import annotations

from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.benchmarks.receiving import BareView, ChatView


class OpenChatView(ChatView):
    """Connections without a token: the user is set in the row afterwards."""

    USE_WS_TOKEN = False


urlpatterns = [
    path("ws/<str:route>", OpenChatView.as_view(), name="ws"),
    path("bare", csrf_exempt(BareView.as_view()), name="bare"),
]
