"""Tasks recognised by their source video or their frames."""

import uuid

import pytest

from videos.models import Frame, Generation, TemporaryLink, UploadedFrame

from ...support.factories import a_generation, a_member, a_result
from ...support.provider_listing import in_doubt, search

pytestmark = pytest.mark.django_db(transaction=True)


def finished(**extra) -> Generation:
    parent = a_generation(prompt="parent")
    parent.claim()
    parent.record(a_result("p", **extra), "answer")
    return parent


@pytest.mark.parametrize(
    ("source", "adopted"),
    [
        ({"video_id": "video-1"}, True),
        ({"video_url": "https://platform.cdn.acedata.cloud/luma/v.mp4"}, True),
        ({"video_id": "another"}, False),
        ({"video_url": "https://example.com/other.mp4"}, False),
        ({}, False),
    ],
)
def test_an_extension_is_recognised_by_its_source(listing, source, adopted):
    parent = finished()
    generation = in_doubt(action="extend", source_video_id="video-1", parent=parent)
    listing.add(generation, request=source)
    search(generation)
    assert bool(generation.task_id) == adopted


def test_an_extension_of_our_copy_is_recognised_by_the_copy_s_url(listing):
    parent = finished()
    generation = in_doubt(action="extend", source_video_url="https://gone.example.com/v.mp4", parent=parent)
    address = TemporaryLink.create_for("https://films.example.com", generation, video=parent)
    listing.add(generation, request={"video_url": address})
    search(generation)
    assert generation.task_id


def a_frame() -> Frame:
    facts = {"sha256": uuid.uuid4().hex, "file": f"frames/{uuid.uuid4().hex}.jpg", "member": a_member("ben")}
    return Frame.objects.create(width=64, height=48, size_bytes=9, **facts)


@pytest.mark.parametrize("way", ["uploaded", "fetched", "another's", "none"])
def test_a_frame_is_recognised_by_the_link_that_was_sent(listing, token, way):
    frame = a_frame()
    generation = in_doubt(start_frame=frame)
    link = "https://cdn.acedata.cloud/uploads/1.jpg"
    if way == "uploaded":
        UploadedFrame.objects.remember(frame, token, url=link, expires_at=None, endpoint="")
    if way == "fetched":
        link = TemporaryLink.create_for("https://films.example.com", generation, frame=frame)
    listing.add(generation, request={} if way == "none" else {"start_image_url": link})
    search(generation)
    assert bool(generation.task_id) == (way in ("uploaded", "fetched"))
