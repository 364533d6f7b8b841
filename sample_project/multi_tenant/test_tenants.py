import pytest
from django.contrib.auth.models import User
from shop.models import Order, Organisation
from shop.sockets import OrganisationView


@pytest.fixture
def acme(db):
    return Organisation.objects.create(name="Acme")


@pytest.fixture
def bolt(db):
    return Organisation.objects.create(name="Bolt")


@pytest.fixture
def member(ws_client):
    """Makes a connected member of some organisations."""

    def make(name, *organisations):
        user, _created = User.objects.get_or_create(username=name)
        user.organisations.add(*organisations)
        client = ws_client(OrganisationView)
        client.connect(user=user, channel=organisations[0].channel("orders"))
        return client

    return make


def test_an_order_reaches_its_own_organisation_alone(acme, bolt, member):
    ada, bob = member("ada", acme), member("bob", bolt)

    Order.objects.create(organisation=acme, item="nails")

    assert [message["item"] for message in ada.received] == ["nails"]
    assert bob.received == []


def test_a_member_of_two_hears_both(acme, bolt, member):
    ada = member("ada", acme, bolt)
    ada.subscribe(bolt.channel("orders"))

    Order.objects.create(organisation=acme, item="nails")
    Order.objects.create(organisation=bolt, item="screws")

    assert [message["item"] for message in ada.received] == ["nails", "screws"]


@pytest.mark.parametrize(
    "name", ["org{}_orders", "org{}_secrets", "org0{}_orders", "org*", "orders", "org{}_orders\n"]
)
def test_the_channels_of_others_are_refused(acme, bolt, member, name):
    ada = member("ada", acme)

    reply = ada.control("subscribe", channel=name.format(bolt.pk))

    assert reply.error in ("channel_denied", "invalid_channel")


def test_the_history_of_others_is_refused(acme, bolt, member):
    ada = member("ada", acme)
    Order.objects.create(organisation=bolt, item="screws")

    assert ada.control("history", channel=bolt.channel("orders"), limit=10).error is not None


def test_an_id_in_a_frame_gives_no_access(acme, bolt, member):
    ada = member("ada", acme)

    mine = ada.send({"handler": "order", "organisation": acme.pk, "item": "nails"}, reply_id="1")
    theirs = ada.send({"handler": "order", "organisation": bolt.pk, "item": "nails"}, reply_id="2")

    assert mine.json()["id"] == Order.objects.get().pk
    assert theirs.error == "not_found"


@pytest.mark.parametrize("way", ["remove", "set", "clear", "reverse", "reverse clear"])
@pytest.mark.django_db(transaction=True)
def test_who_leaves_is_cut_and_cannot_come_back(acme, bolt, member, ws_client, way):
    ada = member("ada", acme, bolt)
    user = User.objects.get()
    leave = {
        "remove": lambda: acme.members.remove(user),
        "set": lambda: acme.members.set([]),
        "clear": acme.members.clear,
        "reverse": lambda: user.organisations.remove(acme),
        "reverse clear": user.organisations.clear,
    }
    leave[way]()
    Order.objects.create(organisation=acme, item="nails")

    again = ws_client(OrganisationView)
    assert ada.received == []
    assert not ada.session.connected
    assert not again.connect(user=user, channel=acme.channel("orders")).ok
