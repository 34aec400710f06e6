"""Links to files of a bucket: what they open, for how long, and what gets none."""

import re
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from videos.models import Frame, Share, TemporaryLink

from ...support.bucket import fetch, link_to, saved, storage_at
from ...support.factories import a_generation
from ...support.s3_server import BUCKET

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_video_is_answered_with_a_link_in_which_a_player_can_seek(client, ada, stub, token, mp4, bucket):
    generation = saved(stub, mp4)
    answer = client.get(reverse("video", args=[generation.uuid]))
    assert answer.status_code == 302
    assert answer["Cache-Control"] == "private, max-age=300", "half of the link's life"
    link = answer["Location"]
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["600"]
    whole = fetch(link)
    assert (whole.status_code, whole.content, whole.headers["Content-Type"]) == (200, mp4, "video/mp4")
    part = fetch(link, Range="bytes=100-299")
    assert (part.status_code, part.content) == (206, mp4[100:300])
    assert part.headers["Content-Range"] == f"bytes 100-299/{len(mp4)}"
    assert fetch(link, Range="bytes=-50").content == mp4[-50:]
    assert fetch(link, Range=f"bytes={len(mp4) + 5}-").status_code == 416


def test_a_download_keeps_its_name(client, ada, stub, token, mp4, bucket):
    generation = saved(stub, mp4, prompt="A fox, at dawn")
    answer = fetch(link_to(client, generation, "?download=1"))
    assert (
        answer.headers["Content-Disposition"] == f'attachment; filename="a-fox-at-dawn-{generation.uuid.hex[:8]}.mp4"'
    )
    assert answer.content == mp4


def test_a_link_is_valid_for_one_object_and_one_method(client, ada, stub, token, mp4, s3, bucket):
    one, other = saved(stub, mp4), saved(stub, mp4)
    link = link_to(client, one)
    for bad in (
        link.replace(one.video_file.name, other.video_file.name),
        link.replace("X-Amz-Expires=600", "X-Amz-Expires=6000"),
        link.replace("inline", "attachment"),
        link.replace("video%2Fmp4", "text%2Fhtml"),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.partition("?")[0],
        f"{s3.url}/{BUCKET}",
        f"{s3.url}/{BUCKET}?list-type=2",
    ):
        answer = fetch(bad)
        assert answer.status_code in (400, 401, 403) and mp4[:50] not in answer.content, bad
    for method in ("PUT", "DELETE", "POST"):
        assert fetch(link, method).status_code in (400, 401, 403, 405), method
    assert default_storage.open(one.video_file.name).read() == mp4


def test_a_head_request_is_redirected_too(client, ada, stub, token, mp4, bucket):
    answer = client.head(reverse("video", args=[saved(stub, mp4).uuid]))
    there = fetch(answer["Location"], "HEAD")
    assert (there.status_code, there.headers["Content-Length"]) == (200, str(len(mp4)))


def test_a_link_expires(settings, bucket):
    settings.STORAGES = settings.STORAGES | {"default": storage_at(bucket._replace(link_seconds=1))}
    name = default_storage.save("videos/one.mp4", ContentFile(b"film"))
    link = default_storage.link(name, content_type="video/mp4", disposition="inline")
    end = time.monotonic() + 20
    while (answer := fetch(link)).status_code == 200:
        assert time.monotonic() < end, "it is still good"
        time.sleep(0.2)
    assert answer.status_code in (400, 403) and b"film" not in answer.content


def test_browsers_get_links_to_the_public_endpoint(settings, bucket):
    away = bucket._replace(links="https://media.example.com", addressing="virtual")
    settings.STORAGES = settings.STORAGES | {"default": storage_at(bucket)}
    name = default_storage.save("videos/one.mp4", ContentFile(b"film"))
    storage = storages.create_storage(storage_at(away._replace(addressing="path")))
    link = storage.link(name, content_type="video/mp4", disposition="inline")
    assert link.startswith(f"https://media.example.com/{BUCKET}/{bucket.prefix}/videos/one.mp4?")
    assert away.origin == f"https://{BUCKET}.media.example.com"


def test_images_are_served_by_lumaweb_and_cached(client, ada, stub, token, mp4, s3, bucket):
    generation = saved(stub, mp4)
    for name, kind in (("poster", "image/webp"), ("thumbnail", "image/jpeg")):
        path = reverse(name, args=[generation.uuid])
        answer = client.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (200, kind)
        assert "immutable" in answer["Cache-Control"] and "private" in answer["Cache-Control"]
        assert answer.content == default_storage.open(getattr(generation, f"{name}_file").name).read()
        s3.asked.clear()
        again = client.get(path, headers={"If-None-Match": answer["ETag"]})
        assert (again.status_code, s3.asked) == (304, [])


def test_unauthorised_requests_get_no_link(client, stub, token, mp4, s3, bucket):
    generation = saved(stub, mp4)
    s3.asked.clear()
    assert "/login/" in client.get(reverse("video", args=[generation.uuid]))["Location"]
    assert s3.asked == []


def test_a_shared_video_has_links_until_it_is_revoked(client, stub, token, mp4, s3, bucket):
    generation = saved(stub, mp4)
    share = Share.objects.create_for(generation, generation.member, days=1, chain=False, with_prompt=False)
    page = client.get(share.secret_path).content.decode()
    path = re.search(r'src="(/watch/[^"]+/video[^"]*)"', page) or re.search(r' src="(/watch/[^"]+)"', page)
    answer = client.get(path[1])
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert fetch(answer["Location"], Range="bytes=0-9").content == mp4[:10]
    named = client.get(f"{path[1]}?download=1")["Location"]
    assert fetch(named).headers["Content-Disposition"] == 'attachment; filename="video.mp4"'
    poster = re.search(r'poster="(/watch/[^"]+)"', page)[1]
    assert client.get(poster)["Cache-Control"] == "private, no-cache"
    share.revoke(generation.member)
    s3.asked.clear()
    for gone in (path[1], poster):
        assert client.get(gone).status_code == 404
    other = Share.objects.create_for(generation, generation.member, days=1, chain=False, with_prompt=False)
    Share.objects.filter(pk=other.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(other.secret_path).status_code == 404
    assert s3.asked == []


def test_frames_and_source_videos_are_served_to_the_provider_without_a_redirect(stub, token, mp4, bucket):
    generation = saved(stub, mp4)
    name = default_storage.save("frames/start.jpg", ContentFile(b"\xff\xd8 a frame"))
    frame = Frame.objects.create(sha256="f" * 64, file=name, width=1, height=1, size_bytes=9, member=generation.member)
    wanted = a_generation()
    assert wanted.claim()
    keys = [
        TemporaryLink.create_for("http://us", wanted, **what).rpartition("/")[2]
        for what in ({"frame": frame}, {"video": generation})
    ]
    picture = Client().get(reverse("provider-frame", args=[keys[0].removesuffix(".jpg")]))
    assert (picture.status_code, picture.content, picture["Content-Type"]) == (200, b"\xff\xd8 a frame", "image/jpeg")
    assert picture["Cache-Control"] == "private, no-store"
    path = reverse("provider-video", args=[keys[1].removesuffix(".mp4")])
    whole = Client().get(path)
    assert (whole.status_code, b"".join(whole.streaming_content)) == (200, mp4)
    part = Client().get(path, headers={"Range": "bytes=5-9"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, mp4[5:10])


def test_x_accel_is_used_for_files_in_the_folder_and_not_for_a_bucket(client, ada, settings, stub, token, mp4):
    settings.ACCEL_PREFIX = "/protected-media/"
    generation = saved(stub, mp4)
    assert "X-Accel-Redirect" not in client.get(reverse("video", args=[generation.uuid])).headers
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["folder"]}
    path = reverse("video", args=[generation.uuid])
    assert client.get(path).status_code == 404, "not in the folder, and no proxy is asked for it"
    default_storage.save(generation.video_file.name, ContentFile(mp4))
    answer = client.get(f"{path}?download=1")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["X-Accel-Redirect"] == f"/protected-media/{generation.video_file.name}"
    assert answer["Content-Type"] == "video/mp4" and answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer["ETag"] == f'"{generation.sha256}"' and "immutable" in answer["Cache-Control"]
