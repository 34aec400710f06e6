"""Videos in a bucket play and seek from expiring links, under the same content security policy."""

import re

import av
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from ..support.installation import Installation
from ..support.s3_server import S3Server


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    server = S3Server(tmp_path_factory.mktemp("objects") / "s3").start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def bucket_site(s3, tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("bucket-site"), **s3.env).start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def video(bucket_site) -> str:
    ada = bucket_site.visitor()
    uuid = ada.submit(prompt="A heron over still water")
    film = ada.wait_until_saved(uuid)
    assert film[4:8] == b"ftyp"
    return uuid


def asked_by(page: Page) -> list[str]:
    """Record the URLs that the page requests from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def test_a_video_plays_and_seeks_from_the_bucket_and_its_poster_comes_from_lumaweb(bucket_site, video, s3, sign_in):
    page = sign_in(bucket_site, "ada")
    asked = asked_by(page)
    page.goto(f"{bucket_site.url}/generations/{video}/")
    element = "document.querySelector('video')"
    page.evaluate(f"{element}.muted = true; {element}.play()")
    page.wait_for_function(f"() => {element}.currentTime > 0.2")
    page.evaluate(f"{element}.pause(); {element}.currentTime = {element}.duration - 0.3")
    page.wait_for_function(f"() => !{element}.seeking && {element}.readyState >= 2 && {element}.currentTime > 0.5")
    poster = page.evaluate(f"fetch({element}.poster).then(answer => [answer.status, answer.redirected])")
    assert poster == [200, False]
    assert [url for url in asked if url.startswith(s3.url)], "the film came from the bucket"
    # The server cuts the frame, so that no page has to read pixels of another origin.
    page.get_by_role("button", name=re.compile("as start frame")).click()
    expect(page.locator(f'img[src^="/uploads/"], img[src*="{bucket_site.url}/uploads/"]').first).to_be_visible()


def test_a_card_in_the_gallery_plays_and_shows_its_poster(bucket_site, video, sign_in):
    page = sign_in(bucket_site, "ada")
    card = page.locator(f"#generation-{video}")
    page.wait_for_function("id => document.querySelector(`#generation-${id} img`)?.naturalWidth > 0", arg=video)
    card.hover()
    page.wait_for_function("id => document.querySelector(`#generation-${id} video`)?.currentTime > 0.1", arg=video)


def test_a_download_from_the_bucket_has_its_name(bucket_site, video, sign_in, tmp_path):
    page = sign_in(bucket_site, "ada")
    page.goto(f"{bucket_site.url}/generations/{video}/")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert download.value.suggested_filename == f"a-heron-over-still-water-{video[:8]}.mp4"
    download.value.save_as(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


def test_a_guest_watches_from_the_bucket(bucket_site, video, browser):
    path = bucket_site.python(
        "from videos.models import Generation, Share\n"
        f"row = Generation.objects.select_related('member').get(uuid={video!r})\n"
        "print(Share.objects.create_for(row, row.member, days=7, chain=False, with_prompt=False).secret_path)"
    )
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: "Security Policy" in message.text and complaints.append(message.text))
    page.goto(bucket_site.url + path)
    page.evaluate("document.querySelector('video').muted = true; document.querySelector('video').play()")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.2")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "video.mp4"
    page.close()
    assert not complaints


@pytest.fixture(scope="module")
def long_video(bucket_site, tmp_path_factory) -> str:
    """Create a video of noise that is too large for a browser to buffer completely."""
    path = tmp_path_factory.mktemp("film") / "noise.mp4"
    noise = np.random.default_rng(7)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("h264", rate=12)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 640, 360, "yuv420p", 40_000_000
        stream.options = {"preset": "ultrafast", "g": "6"}
        for _ in range(96):
            picture = noise.integers(0, 255, (360, 640, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    assert path.stat().st_size > 20_000_000
    ada = bucket_site.visitor()
    uuid = ada.submit(prompt="Snow on every channel")
    ada.wait_until_saved(uuid)
    bucket_site.python(
        "from django.core.files.storage import default_storage\nfrom videos.models import Generation\n"
        f"name = Generation.objects.get(uuid={uuid!r}).video_file.name\n"
        f"default_storage.delete(name)\nassert default_storage.save(name, open({str(path)!r}, 'rb')) == name"
    )
    return uuid


def test_a_video_paused_beyond_its_link_s_expiry_continues_from_a_new_link(bucket_site, long_video, sign_in):
    page = sign_in(bucket_site, "ada")
    page.goto(f"{bucket_site.url}/generations/{long_video}/")
    video = "document.querySelector('video')"
    page.wait_for_function(f"() => {video}.readyState >= 1")
    asked = asked_by(page)

    def ask_for(seconds: float) -> int:
        """Seek, and return how many requests for the video that took."""
        before = len(asked)
        page.evaluate(f"{video}.currentTime = {seconds}")
        page.wait_for_function(
            f"() => Math.abs({video}.currentTime - {seconds}) < 0.01 && !{video}.seeking && {video}.readyState >= 2"
        )
        return len([url for url in asked[before:] if url.endswith(f"/generations/{long_video}/video")])

    assert ask_for(7.0) == 0, "the link it has is good"
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 301_000; }")
    assert ask_for(4.0) == 1
    assert ask_for(2.0) == 0
