"""Search texts that a process of an earlier version writes during an update are folded again."""

import pytest

from videos.jobs import search_texts
from videos.jobs.search_texts import SearchTexts
from videos.models import Generation

from ..support.factories import a_generation

pytestmark = pytest.mark.django_db


def a_row_of_an_earlier_version(prompt: str) -> Generation:
    """Create a row whose search text has its accents."""
    row = a_generation(prompt=prompt)
    Generation.objects.filter(pk=row.pk).update(search_text=prompt.casefold())
    return row


def found(query: str) -> list[int]:
    return sorted(row.pk for row in Generation.objects.search(query))


def test_rows_from_before_and_after_the_start_of_a_ticker_are_found_without_accents():
    before = a_row_of_an_earlier_version("Ein Häher")
    assert found("haher") == []
    step = SearchTexts()
    step.run()
    assert found("haher") == [before.pk]
    after = a_row_of_an_earlier_version("Der HÄHER im Schnee")
    step.run()
    assert found("haher") == found("häher") == [before.pk, after.pk]


def test_a_round_examines_a_limited_number_of_rows_and_the_next_one_continues(monkeypatch):
    monkeypatch.setattr(search_texts, "MAX_EXAMINED", 3)
    monkeypatch.setattr(search_texts, "OVERLAP", 1)
    rows = [a_row_of_an_earlier_version(f"Häher {number}") for number in range(5)]
    step = SearchTexts()
    step.run()
    assert 0 < len(found("haher")) < 5
    for _ in range(2):
        step.run()
    assert found("haher") == [row.pk for row in rows]


def test_folded_texts_are_not_written_again(django_assert_num_queries):
    a_generation(prompt="Ein Häher, 北京, हिन्दी, 서울")
    step = SearchTexts()
    step.run()
    with django_assert_num_queries(1):
        step.run()
