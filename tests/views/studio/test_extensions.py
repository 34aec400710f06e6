"""Extensions of videos by the form."""

import pytest

from videos.models import Generation

from ...support.factories import a_generation, a_token
from ...support.form_requests import HTMX, asked, completed

pytestmark = pytest.mark.django_db


def test_an_extension_finds_its_parent_by_id_and_by_link(client, ada, token):
    parent = completed(token)
    client.post("/generations/", asked(action="extend", video_id=parent.video_id))
    client.post("/generations/", asked(action="extend", video_url=parent.video_url, again="1"))
    children = Generation.objects.filter(action="extend")
    assert [(child.parent, child.depth) for child in children] == [(parent, 1), (parent, 1)]
    page = client.get(f"/generations/{parent.uuid}/").content.decode()
    assert all(str(child.uuid) in page for child in children)


def test_a_foreign_video_is_extended_without_a_parent(client, ada, token):
    client.post("/generations/", asked(action="extend", video_id="made-elsewhere"))
    assert Generation.objects.get().parent is None


def test_the_extend_page_fills_the_form(client, ada, token):
    parent = completed(token)
    for headers in ({}, HTMX | {"HX-Target": "video-form"}):
        text = client.get(f"/generations/{parent.uuid}/extend/", headers=headers).content.decode()
        assert parent.video_id in text
        assert ("<html" in text) == (not headers)


def test_an_extension_refers_to_its_source_only_in_ways_that_can_work(token):
    """By id, then link, then our copy; another account does not know the id."""
    parent = completed(token)
    child = a_generation(parent.member, action="extend", source_video_id=parent.video_id, parent=parent)
    assert [way for _, way, _ in child.sources(token)] == ["id", "link"]
    Generation.objects.filter(pk=parent.pk).update(archive="saved")
    child = Generation.objects.get(pk=child.pk)
    assert [way for _, way, _ in child.sources(token)] == ["id", "link", "copy"]
    other = a_token("sandbox-2", base_url="http://127.0.0.1:8801")
    assert [way for _, way, _ in child.sources(other)] == ["link", "copy"]
    far = a_token("real", base_url="https://api.acedata.cloud")
    assert [way for _, way, _ in child.sources(far)] == ["link"]
    # Of a provider on this machine, whose links another one cannot fetch.
    Generation.objects.filter(pk=parent.pk).update(video_url="http://127.0.0.1:8801/v.mp4")
    assert Generation.objects.get(pk=child.pk).sources(far) == []
