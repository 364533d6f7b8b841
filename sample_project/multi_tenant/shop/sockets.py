import re

from django.shortcuts import get_object_or_404

from websocket_gateway.views import WebSocketView

TOPICS = {"orders", "chat"}


class OrganisationView(WebSocketView):
    ALLOWED_HANDLERS = {"order"}
    deduplicate = True

    def can_join_channel(self, request, channel_name):
        found = re.fullmatch(r"org([1-9][0-9]{0,17})_([a-z]+)", channel_name)
        if not found or found[2] not in TOPICS or not request.user.is_authenticated:
            return False
        return request.user.organisations.filter(pk=found[1]).exists()

    def order(self, request):
        # Among the user's own: an id from the frame proves nothing.
        organisation = get_object_or_404(request.user.organisations, pk=int(self.body["organisation"]))
        return {"id": organisation.order_set.create(item=str(self.body["item"])[:80]).pk}
