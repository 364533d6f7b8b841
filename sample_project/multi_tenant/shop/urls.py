from django.urls import path

from shop.sockets import OrganisationView
from websocket_gateway.views import WebSocketTokenView

urlpatterns = [
    path("ws/<slug:route>", OrganisationView.as_view()),
    path("token/", WebSocketTokenView.as_view()),
]
