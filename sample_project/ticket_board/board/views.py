from django.contrib.auth.mixins import LoginRequiredMixin
from django.views.generic import CreateView, UpdateView

from board.models import Ticket
from websocket_gateway.mixins import ResumeChannelsMixin
from websocket_gateway.sending import broadcast
from websocket_gateway.views import WebSocketView


class BoardPage(LoginRequiredMixin, ResumeChannelsMixin, CreateView):
    model, fields, template_name, success_url = Ticket, ["title"], "board.html", "/"
    extra_context = {"tickets": Ticket.objects.select_related("assignee").order_by("pk").all}
    resume_channels = ["board"]


class TicketPage(LoginRequiredMixin, UpdateView):
    model, fields, template_name, success_url = Ticket, ["assignee"], "ticket.html", "/"

    def form_valid(self, form):
        broadcast({"text": f"From {self.request.user}: {self.object}"}, user=self.object.assignee, inbox=True)
        return super().form_valid(form)


class BoardSocket(WebSocketView):
    def presence_info(self, request, channel_name):
        return {"name": request.user.username}
