"""Compression and error pages."""

import gzip

import brotli
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from videos.models import Generation

from ..support.factories import a_generation, a_member, a_result, a_token

pytestmark = pytest.mark.django_db


def a_saved_video(member) -> Generation:
    generation = a_generation(member)
    generation.claim() or pytest.fail("there is no token")
    generation.record(a_result(), "callback")
    name = default_storage.save("videos/x.mp4", ContentFile(b"a" * 5000))
    Generation.objects.filter(pk=generation.pk).update(video_file=name, sha256="0" * 64, archive="saved")
    return generation


def test_videos_are_not_compressed_and_pages_are(client, ada):
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_saved_video(ada)
    for headers, status, length in (({}, 200, "5000"), ({"Range": "bytes=0-999"}, 206, "1000")):
        answer = client.get(f"/generations/{generation.uuid}/video", headers={"Accept-Encoding": "gzip"} | headers)
        assert (answer.status_code, answer.get("Content-Length")) == (status, length)
        assert "Content-Encoding" not in answer and answer["ETag"] == f'"{"0" * 64}"'
    assert client.get("/", headers={"Accept-Encoding": "gzip"})["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip", "gzip"),
        ("gzip, br;q=0.5", "br"),
        ("identity", None),
        ("", None),
    ],
)
def test_a_page_uses_the_best_encoding_that_the_client_accepts(client, accepted, encoding):
    client.force_login(a_member("eve"))
    plain = client.get("/trash/").content
    answer = client.get("/trash/", headers={"Accept-Encoding": accepted})
    assert answer.get("Content-Encoding") == encoding
    assert "Accept-Encoding" in answer["Vary"]
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert len(unpack(answer.content)) == len(plain)
    assert int(answer.get("Content-Length", len(answer.content))) == len(answer.content)


def test_refused_requests_get_lumaweb_s_error_pages():
    a_member()
    strict = Client(enforce_csrf_checks=True)
    for answer, status, words in (
        (strict.post("/login/", {}), 403, "This page is out of date"),
        (strict.get("/", headers={"Host": "elsewhere.example"}), 400, "<code>LUMAWEB_ALLOWED_HOSTS</code>"),
        (strict.get("/", headers={"Host": "no such host<b>"}), 400, "does not answer at this address"),
        (strict.post("/login/", {}, headers={"Origin": "https://films.lan"}), 403, "set <code>LUMAWEB_SITE_URL</code>"),
    ):
        page = answer.content.decode()
        assert (answer.status_code, words in page) == (status, True)
        assert "style=" not in page and "<style" not in page
