"""Listings of several pages, and providers that page differently."""

import pytest

from ...support.provider_listing import in_doubt, search

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("page", [1, 3, 100])
def test_small_pages_are_read_in_turn(listing, page):
    listing.page = page
    generation = in_doubt(minutes=5)
    for after in (100, 200):
        listing.add(after=after - 300)
    mine = listing.add(generation)
    search(generation)
    assert generation.task_id == mine


def test_nothing_is_adopted_from_a_listing_without_an_end(listing):
    listing.page = 2
    generation = in_doubt(minutes=9)
    for number in range(20):
        listing.add(generation, after=100 + number, request={"prompt": "somebody else's"})
    listing.add(generation, after=599)
    search(generation)
    assert generation.task_id == "", "another one with this request may be on a page that was not read"
    assert len(generation.offers) == 1
    assert len(listing.calls) == 5


def test_a_listing_that_ignores_the_bounds_is_read_until_it_is_too_old(listing):
    listing.knows_bounds, listing.page = False, 10
    for hours in range(1, 300):
        listing.add(after=-3600 * hours)
    generation = in_doubt()
    mine = listing.add(generation)
    search(generation)
    assert (generation.task_id, len(listing.calls)) == (mine, 1)


def test_a_provider_that_ignores_the_offset_is_read_in_one_page(listing):
    listing.knows_offset = listing.knows_bounds = False
    generation = in_doubt()
    mine = listing.add(generation)
    listing.add()
    search(generation)
    assert (generation.task_id, len(listing.calls)) == (mine, 2)


def test_a_repeated_full_page_is_an_incomplete_listing(listing):
    listing.knows_offset = False
    generation = in_doubt(minutes=9)
    for number in range(120):
        listing.add(generation, after=100 + number, request={"prompt": "somebody else's"})
    listing.add(generation, after=300)
    search(generation)
    assert generation.task_id == ""


def test_a_listing_with_the_oldest_first_is_read_to_its_end(listing, stub):
    generation = in_doubt()
    for hours in range(1, 8):
        listing.add(after=-3600 * hours)
    mine = listing.add(generation)
    listing.tasks.sort(key=lambda task: task["created_at"])

    def oldest_first(path, body):
        page = listing.tasks[body["offset"] : body["offset"] + 2]
        return 200, {"items": page, "count": len(page)}

    stub.answer = oldest_first
    search(generation)
    assert generation.task_id == mine
