"""Keyset pagination."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.support.factories import a_generation
from videos.keyset import read_page, rows_after
from videos.models import Generation

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows() -> list[Generation]:
    """Four rows, the second and third trashed at the same moment."""
    rows = [a_generation() for _ in range(4)]
    now = timezone.now()
    for row, minutes in zip(rows, (0, 1, 1, 2), strict=True):
        Generation.objects.filter(pk=row.pk).update(trashed_at=now - timedelta(minutes=minutes))
        row.refresh_from_db()
    return rows


def test_a_page_continues_after_a_row_with_an_equal_first_field(rows):
    ordered = Generation.objects.order_by("-trashed_at", "-pk")
    assert list(ordered) == [rows[0], rows[2], rows[1], rows[3]]
    assert list(rows_after(ordered, rows[2].trashed_at, rows[2].pk)) == [rows[1], rows[3]]


def test_reversed_rows_continue_in_the_other_direction(rows):
    ordered = Generation.objects.order_by("-trashed_at", "-pk").reverse()
    assert list(rows_after(ordered, rows[2].trashed_at, rows[2].pk)) == [rows[0]]


def test_a_position_needs_one_value_for_each_field_of_the_ordering(rows):
    with pytest.raises(ValueError):
        rows_after(Generation.objects.order_by("-trashed_at", "-pk"), rows[0].pk)


@pytest.mark.parametrize(("size", "has_more"), [(3, True), (4, False), (5, False)])
def test_a_page_says_whether_more_rows_follow(rows, size, has_more):
    page = read_page(Generation.objects.order_by("pk"), size)
    assert (page.rows, page.has_more) == (rows[:size], has_more)
