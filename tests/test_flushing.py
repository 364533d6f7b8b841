"""What the suite puts back into an emptied database is what Django would make."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal


def rows() -> tuple[set[object], set[object]]:
    types = ContentType.objects.values_list("app_label", "model")
    permissions = Permission.objects.values_list(
        "codename", "name", "content_type__app_label", "content_type__model"
    )
    return set(types), set(permissions)


@pytest.mark.django_db(transaction=True)
def test_an_emptied_database_has_the_rows_that_django_makes() -> None:
    call_command("flush", verbosity=0, interactive=False)
    put_back, numbers = rows(), (ContentType.objects.count(), Permission.objects.count())

    ContentType.objects.all().delete()
    emit_post_migrate_signal(0, False, "default")

    assert put_back == rows()
    assert numbers == (ContentType.objects.count(), Permission.objects.count())
    assert min(numbers) > 20
