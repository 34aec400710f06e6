"""Without callbacks, a video whose answer was lost is found automatically or adopted by one click."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from .studio import card, generate, ready, stored


@pytest.fixture
def two(polling_site, sign_in) -> tuple[Page, Page]:
    return sign_in(polling_site, "ada"), sign_in(polling_site, "ben")


def test_a_lost_answer_is_found_automatically_and_the_video_appears_for_both(polling_site, two):
    ada, ben = two
    uuid = generate(ada, "A kite over dunes [drop]")
    ready(ada, uuid)
    ready(ben, uuid)
    kinds = polling_site.python(
        f"from videos.models import Event\nprint(*Event.objects.filter(generation__uuid={uuid!r})"
        ".values_list('kind', flat=True))"
    ).split()
    assert kinds[:4] == ["submitted", "claimed", "unanswered", "found"]


def test_one_click_adopts_a_task_and_the_video_appears_for_both(polling_site, two):
    """Another program with the same account made the same request, so only a person can tell the tasks apart."""
    ada, ben = two
    prompt = "Two kites over dunes [drop]"
    with pytest.raises(httpx.TransportError):
        httpx.post(
            f"http://127.0.0.1:{polling_site.sandbox_port}/luma/videos",
            headers={"authorization": "Bearer sandbox"},
            json={"prompt": prompt, "async": True},
        )
    first = generate(ada, prompt)
    offers = card(ada, first).get_by_role("region", name="One of these may be your video")
    expect(offers.get_by_role("listitem")).to_have_count(2, timeout=40_000)
    expect(card(ben, first)).to_have_attribute("data-state", "unconfirmed")
    expect(card(ben, first).get_by_role("button", name="Adopt")).to_have_count(0)
    offers.get_by_role("button", name="Adopt").first.click()
    ready(ada, first)
    ready(ben, first)
    assert stored(polling_site, first, "result_channel") == ["sweep"]
