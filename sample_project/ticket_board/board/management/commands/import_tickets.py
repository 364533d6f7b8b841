import sys

from django.core.management.base import BaseCommand

from board.models import Ticket


class Command(BaseCommand):
    def handle(self, **options):
        titles = sys.stdin.read().splitlines()
        for number, title in enumerate(titles, 1):
            ticket = Ticket(title=title[:100])
            ticket.progress = number / len(titles)
            ticket.save()
