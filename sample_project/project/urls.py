"""URLs of the chat, of the two views for the gateway, and of the admin."""

from __future__ import annotations

from chat.sockets import ChatSocketView
from chat.views import LoginPageView, NotifyView, RoomView
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.contrib.staticfiles.views import serve
from django.urls import path

from project.exposure import EXPOSED
from websocket_gateway.views import WebSocketTokenView

urlpatterns = [
    path("", RoomView.as_view(), name="lobby"),
    path("rooms/<slug:room>/", RoomView.as_view(), name="room"),
    path("notify/", NotifyView.as_view(), name="notify"),
    path("login/", LoginPageView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("token/", WebSocketTokenView.as_view(), name="token"),
    path("ws/<str:route>", ChatSocketView.as_view(), name="socket"),
]
if EXPOSED:  # without DEBUG nothing else serves static files; and there is no admin
    urlpatterns += [path("static/<path:path>", serve, {"insecure": True})]
else:
    urlpatterns += [path("admin/", admin.site.urls)]
