"""The doctor on the hosts that videos may be downloaded from."""

import pytest

from lumaweb.ops.doctor.media_hosts import media_hosts
from videos.models import Generation

from ...support.doctor import said_by
from ...support.factories import a_generation, a_result, a_token

pytestmark = pytest.mark.django_db


def test_a_missing_media_host_of_the_provider_is_reported(settings):
    assert said_by(media_hosts).startswith("ok: ")
    settings.MEDIA_HOSTS = ["PLATFORM.cdn.acedata.cloud", "media.example.com", "storage.cdn-luma.com"]
    said = said_by(media_hosts)
    assert said.startswith("warn: LUMAWEB_MEDIA_HOSTS lacks platform2.cdn.acedata.cloud, cdn.acedata.cloud: ")
    settings.MEDIA_HOSTS = [".acedata.cloud", "storage.cdn-luma.com"]
    assert said_by(media_hosts).startswith("ok: "), "a domain covers its hosts"


def test_another_provider_needs_other_hosts(settings):
    a_token(base_url="https://gateway.example.com")
    settings.MEDIA_HOSTS = ["media.example.com"]
    assert said_by(media_hosts).startswith("ok: ")


def test_the_host_of_finished_videos_that_is_not_allowed_is_named(settings):
    settings.MEDIA_HOSTS = ["media.example.com"]
    a_token(base_url="https://gateway.example.com")
    for number, host in enumerate(["cdn.example.net", "cdn.example.net", "media.example.com", "gateway.example.com"]):
        generation = a_generation()
        generation.claim()
        generation.record(a_result(f"task-{number}", video_url=f"https://{host}/v.mp4"), "answer")
    said = said_by(media_hosts)
    assert said.startswith("fail: 2 finished videos are on cdn.example.net, which LUMAWEB_MEDIA_HOSTS does not allow.")
    assert "add it to LUMAWEB_MEDIA_HOSTS and restart" in said and len(said.splitlines()) == 1
    Generation.objects.update(archive="saved")
    assert said_by(media_hosts).startswith("ok: ")
