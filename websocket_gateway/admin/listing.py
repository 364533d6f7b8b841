"""Lists of large tables: bounded counts, and rows in an order that an index gives."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator

if TYPE_CHECKING:
    from django.db.models import Model
    from django.utils.functional import _StrOrPromise

    _Paginator = Paginator[Model]
else:
    _Paginator = Paginator

MOST_LISTED = 10_000


class BoundedPaginator(_Paginator):
    """Counts and shows only the first 10,000 rows. A filter or a search finds the others."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most 10,000."""
        return int(self.object_list.values("pk")[:MOST_LISTED].count())  # type: ignore[attr-defined]


class BoundedList:
    """Part of a `ModelAdmin` whose table can be large."""

    search_hint: _StrOrPromise = ""
    """What can be searched for. Not `search_help_text`, for which the text field would need a label."""

    paginator: ClassVar[type] = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
