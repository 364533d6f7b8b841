"""One process at a time changes a gateway: leases by compare-and-set, on every database."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now

from tests.factories import ApiGatewayFactory
from tests.threads import run_together
from websocket_gateway import leases
from websocket_gateway.exceptions import GatewayBusyError, GatewayNotFoundError, LeaseLostError
from websocket_gateway.lease_holders import host_name
from websocket_gateway.leases import GatewayLease, held, leased
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)
ELSEWHERE = "elsewhere:123:abcd"


def nobody_waits(text: str) -> None:
    raise AssertionError(text)


def held_by(gateway: ApiGateway, holder: str, *, seconds: float) -> None:
    ApiGateway.objects.filter(pk=gateway.pk).update(
        lease_holder=holder, lease_expires_on=Now() + timedelta(seconds=seconds)
    )


def holder_of(gateway: ApiGateway) -> str:
    return ApiGateway.objects.get(pk=gateway.pk).lease_holder


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_free_lease_is_taken_and_given_back() -> None:
    gateway = ApiGatewayFactory.create()

    with leased(gateway, on_wait=nobody_waits) as lease:
        lease.check()
        held = holder_of(gateway)

    assert held.startswith(f"{host_name()}:{os.getpid()}:")
    row = ApiGateway.objects.get()
    assert (row.lease_holder, row.lease_expires_on) == ("", None)


def test_it_is_given_back_after_an_error_too() -> None:
    gateway = ApiGatewayFactory.create()

    with pytest.raises(ZeroDivisionError), leased(gateway, on_wait=nobody_waits):
        raise ZeroDivisionError

    assert holder_of(gateway) == ""


def test_of_many_only_one_gets_it() -> None:
    gateway = ApiGatewayFactory.create()

    taken = run_together(*[GatewayLease(gateway).acquire for _ in range(8)])

    assert sorted(taken) == [False] * 7 + [True]


def test_another_holder_is_named_and_waited_for() -> None:
    gateway = ApiGatewayFactory.create(api_name="chat")
    held_by(gateway, ELSEWHERE, seconds=60)
    said: list[str] = []

    def sleep(seconds: float) -> None:
        if len(said) == 3:
            held_by(gateway, "", seconds=0)

    with leased(gateway, on_wait=said.append, sleep=sleep):
        pass

    assert (
        said
        == ["Gateway 'chat' is being changed by process 123 on elsewhere; waiting until that is done."] * 3
    )


def test_who_will_not_wait_is_told_who_is_at_work() -> None:
    gateway = ApiGatewayFactory.create(api_name="chat")
    held_by(gateway, ELSEWHERE, seconds=60)

    with (
        pytest.raises(GatewayBusyError, match="'chat' is being changed by process 123 on elsewhere"),
        leased(gateway, on_wait=nobody_waits, patience=0),
    ):
        pass

    assert holder_of(gateway) == ELSEWHERE


def test_a_row_that_is_deleted_meanwhile_is_not_waited_for_any_longer() -> None:
    gateway = ApiGatewayFactory.create()
    held_by(gateway, ELSEWHERE, seconds=60)
    waited = []

    def delete_it(seconds: float) -> None:
        waited.append(seconds)
        ApiGateway.objects.all().delete()

    with (
        pytest.raises(GatewayNotFoundError, match="was deleted by another process meanwhile"),
        leased(gateway, on_wait=lambda text: None, sleep=delete_it),
    ):
        pytest.fail("the lease of a row that is gone")

    assert len(waited) == 1


def test_an_expired_lease_is_free() -> None:
    gateway = ApiGatewayFactory.create()
    held_by(gateway, ELSEWHERE, seconds=-1)

    with leased(gateway, on_wait=nobody_waits):
        assert holder_of(gateway) != ELSEWHERE


def test_a_dead_process_of_this_host_is_not_waited_for() -> None:
    gateway = ApiGatewayFactory.create()
    held_by(gateway, f"{host_name()}:{dead_pid()}:abcd", seconds=60)

    with leased(gateway, on_wait=nobody_waits):
        assert str(os.getpid()) in holder_of(gateway)


def test_a_process_in_another_container_of_the_same_name_is_waited_for() -> None:
    gateway = ApiGatewayFactory.create()
    host, boot, namespace = host_name().split("/")
    held_by(gateway, f"{host}/{boot}/{int(namespace) + 1}:{dead_pid()}:abcd", seconds=60)

    with (
        pytest.raises(GatewayBusyError, match=rf"by process \d+ on {host}\."),
        leased(gateway, on_wait=nobody_waits, patience=0),
    ):
        pass


@pytest.mark.parametrize("holder", [f"{host_name()}:1:x", "elsewhere:x:y", "odd"])
def test_a_living_or_unknown_process_is_waited_for(holder: str) -> None:
    gateway = ApiGatewayFactory.create()
    held_by(gateway, holder, seconds=60)

    with pytest.raises(GatewayBusyError), leased(gateway, on_wait=nobody_waits, patience=0):
        pass


def test_a_lost_lease_stops_before_the_next_step() -> None:
    gateway = ApiGatewayFactory.create()

    with leased(gateway, on_wait=nobody_waits) as lease:
        held_by(gateway, ELSEWHERE, seconds=60)
        lease._held_at -= 60  # as after a machine that slept
        with pytest.raises(LeaseLostError, match="run the command again"):
            lease.check()
        with pytest.raises(LeaseLostError):
            lease.check()

    assert holder_of(gateway) == ELSEWHERE


def test_the_thread_renews_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    gateway = ApiGatewayFactory.create()
    lease = GatewayLease(gateway)
    assert lease.acquire()
    held_by(gateway, lease.holder, seconds=-1)

    with held(lease):
        deadline = time.monotonic() + 30
        while ApiGateway.objects.filter(lease_expires_on__lt=Now()).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_inside_a_transaction_no_thread_is_needed() -> None:
    gateway = ApiGatewayFactory.create()

    with transaction.atomic(), leased(gateway, on_wait=nobody_waits) as lease:
        lease.check()

    assert holder_of(gateway) == ""


def test_a_new_row_is_held_from_its_first_moment() -> None:
    gateway = ApiGatewayFactory.build(api_name="chat", planned=True)
    twin = ApiGatewayFactory.build(api_name="chat", planned=True)

    assert GatewayLease(gateway).insert()
    assert not GatewayLease(twin).insert()
    assert not GatewayLease(ApiGateway.objects.get()).acquire()


def test_saving_a_row_leaves_its_lease_alone() -> None:
    gateway = ApiGatewayFactory.create()
    held_by(gateway, ELSEWHERE, seconds=60)

    gateway.api_description = "changed meanwhile"
    gateway.save()
    ApiGateway.objects.defer("tags").get().save()

    row = ApiGateway.objects.get()
    assert (row.lease_holder, row.api_description) == (ELSEWHERE, "changed meanwhile")
