"""What a card says about saving, and the retry of a member."""

import errno
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from videos.jobs import saving_failures
from videos.models import Generation
from videos.models.generation.saving_explanation import CAUSES

from ...support.factories import a_member, an_admin
from ...support.media_host import attempt, finished

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


def test_every_download_error_has_a_message(cdn, token):
    generation = finished(f"{cdn.url}/v.mp4")
    codes = {saving_failures.cause_of(error) for error in (OSError(errno.ENOSPC, "x"), OSError("x"), ValueError("x"))}
    assert codes == {"storage_full", "storage_away", "unexpected"}
    for code in CAUSES:
        generation.archive, generation.archive_error, generation.archive_message = "remote", code, "A sentence."
        assert generation.explanation.title == "Not saved yet"
        generation.archive = "lost"
        assert generation.explanation.title in ("Set aside", "The video could not be saved here")


def test_a_card_says_when_the_provider_s_link_expires(client, cdn, token, settings):
    settings.TIME_ZONE = "UTC"
    generation = attempt(finished(f"{cdn.url}/gone.mp4"))
    client.force_login(generation.member)
    until = generation.finished_at + timedelta(days=30)
    words = f"The provider&#x27;s link works until {until:%-d %B}."
    for page in ("/", generation.get_absolute_url()):
        text = client.get(page).text
        assert "Not saved yet" in text
        assert words in text
    Generation.objects.update(finished_at=timezone.now() - timedelta(days=31), version=99)
    assert "The provider&#x27;s link ended on" in client.get("/").text


def test_a_first_attempt_in_progress_is_not_shown_as_a_failure(client, cdn, token):
    generation = finished(f"{cdn.url}/v.mp4")
    client.force_login(generation.member)
    assert generation.explanation is None
    assert "link works until" in client.get(generation.get_absolute_url()).text
    assert "Save again" not in client.get("/").text


def test_only_admins_see_instructions_for_admins(client, cdn, token):
    generation = attempt(finished("https://films.example.com/v.mp4"))
    client.force_login(generation.member)
    assert "LUMAWEB_MEDIA_HOSTS" not in client.get("/").text
    client.force_login(an_admin())
    assert "LUMAWEB_MEDIA_HOSTS" in client.get("/").text


def test_the_author_or_an_admin_can_retry_the_save_at_once(client, stub, cdn, token, film):
    generation = attempt(finished("https://films.example.com/v.mp4"))
    Generation.objects.update(archive_at=timezone.now() + timedelta(hours=1))
    address = reverse("saving", args=[generation.uuid])
    client.force_login(a_member("ben"))
    assert "Save again" not in client.get(generation.get_absolute_url()).text
    assert client.post(address).status_code == 403
    client.force_login(generation.member)
    assert "Save again" in client.get(generation.get_absolute_url()).text
    assert client.get(address).status_code == 405
    assert client.post(address).status_code == 302
    generation.refresh_from_db()
    assert (generation.archive, generation.archive_error, generation.archive_attempts) == ("remote", "", 0)
    assert list(Generation.objects.worth_saving()) == [generation]
    assert generation.events.last().member == generation.member
    told = client.post(address, follow=True)
    assert "saved already, or being saved now" in told.text
