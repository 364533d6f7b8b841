from django.urls import include, path

from board.views import BoardPage, BoardSocket, TicketPage
from websocket_gateway.views import WebSocketTokenView

urlpatterns = [
    path("", BoardPage.as_view()),
    path("tickets/<int:pk>/", TicketPage.as_view()),
    path("accounts/", include("django.contrib.auth.urls")),
    path("token/", WebSocketTokenView.as_view(), name="token"),
    path("ws/<str:route>", BoardSocket.as_view()),
]
