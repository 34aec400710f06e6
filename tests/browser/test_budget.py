"""The form shows its cost before the submission, and equal videos of the team."""

import pytest
from playwright.sync_api import expect

from ..support.installation import Installation


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start an installation where every member has three credits a month."""
    site = Installation(tmp_path_factory.mktemp("purse")).start()
    site.add_member("ben")
    site.add_member("cleo")
    site.python("from videos.models import Pricing\nPricing.objects.create(pk=1, member_limit=3000)")
    yield site
    site.stop()


def takes(page, number: int) -> None:
    page.locator(f'label:has(input[name="count"][value="{number}"])').click()


def test_the_cost_follows_the_form_and_the_limit_is_shown_before_and_after(site, sign_in):
    page = sign_in(site, "ben")
    cost = page.locator("#cost")
    expect(cost).to_contain_text("1 credit of 3 left")
    takes(page, 2)
    expect(cost).to_contain_text("2 credits of 3 left")
    page.get_by_label("Multiple prompts").check()
    page.get_by_role("textbox", name="Prompt").fill("A heron\nA fox\nA hare")
    expect(cost).to_contain_text("6 videos: 3 prompts × 2 takes")
    expect(cost).to_contain_text("6 credits of 3 left")
    expect(cost.get_by_text("ada can raise your limit")).to_be_visible()
    page.get_by_role("button", name="Generate").click()
    alert = page.locator("#video-form").get_by_role("alert")
    expect(alert).to_contain_text("This takes 6 credits, and 3 of your 3 credits are left")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("A heron\nA fox\nA hare")
    takes(page, 1)
    expect(cost.get_by_text("ada can raise your limit")).to_be_hidden()
    page.get_by_label("Multiple prompts").uncheck()
    page.get_by_role("textbox", name="Prompt").fill("A heron")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".card", has_text="A heron")).to_have_count(1)
    expect(cost).to_contain_text("1 credit of 2 left")


def test_a_member_sees_an_equal_video_of_a_colleague(site, sign_in):
    site.python("from videos.models import Pricing\nPricing.objects.update(member_limit=None)")
    prompt = "Paper boats on a tide of ink"
    visitor = site.visitor("ben")
    video = visitor.submit(prompt=prompt)
    visitor.wait_until_saved(video)
    page = sign_in(site, "cleo")
    field = page.get_by_role("textbox", name="Prompt")
    field.fill(f"  {prompt.upper()} ")
    page.get_by_role("button", name="Generate").click()
    made = page.locator(".existing")
    expect(made).to_contain_text("Already made")
    use = made.get_by_role("link", name="Use this")
    expect(use).to_be_focused()
    expect(use).to_contain_text("By ben")
    field.press("End")
    field.type(", again")
    expect(made, "it was about another request").to_have_count(0)
    field.fill(prompt)
    page.get_by_role("button", name="Generate").click()
    made.get_by_role("button", name="Make another").click()
    expect(made).to_have_count(0)
    expect(page.locator(".card", has_text=prompt)).to_have_count(2)
    field.fill(prompt)
    page.get_by_role("button", name="Generate").click()
    use.click()
    page.wait_for_url(f"{site.url}/generations/*/")
    expect(page.locator(".video-page")).to_contain_text(prompt)


def test_an_admin_sets_a_limit_and_a_member_reaches_it(site, sign_in):
    admin, member = sign_in(site, "ada"), sign_in(site, "cleo", viewport={"width": 390, "height": 844})
    admin.goto(f"{site.url}/team/budget/")
    admin.get_by_label("A new video").fill("2.5")
    admin.get_by_label("Each member").fill("lots")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_label("Each member")).to_have_value("lots")
    expect(admin.get_by_label("Each member")).to_have_attribute("aria-invalid", "true")
    admin.get_by_label("Each member").fill("100")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("Saved.")).to_be_visible()
    member.goto(site.url)
    member.get_by_role("link", name="New video").click()
    expect(member.locator("#cost")).to_contain_text("2.5 credits of")
