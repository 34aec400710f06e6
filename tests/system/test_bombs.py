"""Decompression bombs against a whole installation: by upload and as a provider's video.

`make test ARGS="-s tests/system/test_bombs.py"` prints the memory of all its processes at its highest, above idle.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from ..chaos.processes import ProcessTree
from ..support import bombs
from ..support.cookies import cookie_named
from ..support.installation import Installation
from ..support.sample_videos import noise_video
from ..support.stub_provider import StubProvider

MB = 1024**2
ROOM = 1024 * MB  # above idle, whatever is uploaded
BUSY = "The studio is busy reading other pictures. Try again in a moment."
PLAIN = bombs.encoded(Image.new("RGB", (64, 48)), "PNG")
PICTURES = {
    "a header of 60000x60000": (lambda: bombs.png_that_claims(60_000, 60_000), "60000×60000 pixels"),
    "3,000 scans": (lambda: bombs.jpeg_with_scans(3000), "3,000 scans"),
    "60 scans of 49 megapixels": (lambda: bombs.jpeg_with_scans(60, (7000, 7000)), "60 scans"),
    "60,000 chunks": (lambda: bombs.png_with(PLAIN, *[bombs.chunk(b"teSt", b"")] * 60_000), "too many parts"),
    # These are what they say, and cost what a picture may.
    "49 megapixels out of 200 KB": (lambda: bombs.encoded(Image.new("RGBA", (7000, 7000)), "PNG"), ""),
    "49 megapixels of WebP": (lambda: bombs.encoded(Image.new("RGB", (7000, 7000)), "WEBP", method=0), ""),
    "an animated PNG": (lambda: bombs.animation("PNG", 2000), ""),
    "an animated WebP": (lambda: bombs.animation("WEBP", 2000), ""),
    "2 GB of text": (lambda: bombs.png_with_text(40), ""),
}
VIDEOS = {
    "pictures of 16000x16000": (lambda folder: bombs.grey_video(16_000, 16_000), "16000×16000 pixels"),
    "pictures larger than they say": (
        lambda folder: bombs.grey_video(16_000, 16_000, claims=(64, 48)),
        "more than can be read",
    ),
    "another codec": (lambda folder: noise_video(folder / "film.mp4", codec="mpeg2video", seconds=1), "unknown format"),
    "tiny boxes": (lambda folder: bombs.video_of_many_boxes(folder, 400_000), "too many boxes"),
    "edits": (lambda folder: bombs.video_with_edits(folder, 500_000), "too many edits"),
    "packets": (lambda folder: bombs.video_with_packets(folder, 8_000_000), "incomplete"),
}


class Luma(StubProvider):
    """Answer every request at once with the finished video that the prompt names."""

    def answer(self, path: str, body: dict) -> tuple[int, dict]:
        if body.get("action") == "retrieve":
            name = body["id"].partition("-")[0]
            return 200, {"id": body["id"], "finished_at": 2.0, "response": self.result(name, body["id"])}
        name = body["prompt"]
        return 200, self.result(name, f"{name}-{time.monotonic_ns()}")

    def result(self, name: str, task_id: str) -> dict:
        return {
            "success": True, "task_id": task_id, "state": "completed", "video_url": f"{self.url}/{name}.mp4",
            "thumbnail_url": f"{self.url}/{name}.jpg",
        }  # fmt: skip


@pytest.fixture(scope="module")
def stub():
    provider = Luma()
    yield provider
    provider.shutdown()
    provider.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory, stub):
    site = Installation(tmp_path_factory.mktemp("site"), LUMAWEB_LUMA_BASE_URL=stub.url, LUMAWEB_LUMA_TOKEN="sandbox")
    yield site.start()
    site.stop()


@pytest.fixture(scope="module")
def ada(site):
    return site.visitor()


class Memory:
    """Sample the memory (PSS, bytes) of all processes of an installation during the block."""

    def __init__(self, site: Installation) -> None:
        self.root = site.process.pid
        self.idle = self.peak = self.now()
        self._over = threading.Event()

    def now(self) -> int:
        total = 0
        for pid in [self.root, *ProcessTree(self.root).descendants(self.root)]:
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.peak = max(self.peak, self.now())

    def __enter__(self) -> "Memory":
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *args) -> None:
        self._over.set()
        self._thread.join()


def upload(ada, data: bytes) -> httpx.Response:
    token = cookie_named(ada.http, "csrf")[1]
    return ada.http.post(
        "/uploads/", data={"csrfmiddlewaretoken": token}, files={"image": ("a.png", data, "image/png")}, timeout=60
    )


def test_no_process_of_an_idle_installation_has_a_decoder(site, ada):
    tree = ProcessTree(site.process.pid)
    pids = [site.process.pid, *tree.descendants(site.process.pid)]
    assert len(pids) > 8
    for pid in pids:
        loaded = Path(f"/proc/{pid}/maps").read_text()
        assert not any(place in loaded for place in ("/av/", "/av.libs/", "/PIL/", "/pillow.libs/", "/numpy/")), pid


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_bomb_is_refused_with_a_message_and_does_not_affect_others(site, ada, kind):
    make, words = PICTURES[kind]
    data = make()
    with Memory(site) as memory:
        answer = upload(ada, data)
    print(f"\n{kind}: {len(data) / 1024:,.0f} KB, {(memory.peak - memory.idle) / MB:,.0f} MB above idle", end=" ")
    assert memory.peak - memory.idle < ROOM
    if words:
        assert answer.status_code == 422
        assert words in answer.json()["error"]
    else:
        assert answer.status_code == 200, answer.text
    assert ada.http.get("/").status_code == 200


def test_ten_large_concurrent_uploads_stay_within_a_gigabyte_and_pages_stay_fast(site, ada):
    photo = bombs.a_large_photo()
    assert 18 * MB < len(photo) < 20 * MB

    def until_it_is_kept(number: int) -> int:
        """Retry while the server asks for it, as a browser does."""
        visitor = site.visitor()
        # Of its own, so that none is known already.
        mine = bombs.png_with(photo, bombs.chunk(b"teSt", bytes([number])))
        deadline = time.monotonic() + 300
        while (answer := upload(visitor, mine)).status_code == 503:
            assert answer.json()["error"] == BUSY
            assert time.monotonic() < deadline
            time.sleep(float(answer.headers["Retry-After"]) / 5)
        return answer.status_code

    slowest = {"/healthz": 0.0, "/": 0.0}
    with ThreadPoolExecutor(10) as pool, Memory(site) as memory:
        uploads = [pool.submit(until_it_is_kept, number) for number in range(10)]
        while not all(upload.done() for upload in uploads):
            for path in slowest:
                began = time.monotonic()
                assert ada.http.get(path).status_code == 200
                slowest[path] = max(slowest[path], time.monotonic() - began)
            time.sleep(0.1)
    grown = (memory.peak - memory.idle) / MB
    print(f"\nten uploads: {grown:,.0f} MB above idle ({memory.idle / MB:,.0f} MB), slowest {slowest}", end=" ")
    assert [upload.result() for upload in uploads] == [200] * 10
    assert memory.peak - memory.idle < ROOM
    assert slowest["/healthz"] < 2
    assert slowest["/"] < 4


@pytest.mark.parametrize("kind", VIDEOS)
def test_a_video_bomb_is_reported_on_its_card_and_others_are_saved(site, stub, ada, kind, tmp_path):
    make, words = VIDEOS[kind]
    stub.files |= {"/bomb.mp4": make(tmp_path), "/whole.mp4": noise_video(tmp_path / "whole.mp4", seconds=1)}
    stub.files["/whole.jpg"] = bombs.jpeg_with_scans(3000)
    with Memory(site) as memory:
        bomb = ada.submit(prompt="bomb", again="1")
        whole = ada.submit(prompt="whole", again="1")
        ada.wait_until_saved(whole)
        deadline = time.monotonic() + 40
        while "Not saved yet" not in (page := ada.http.get(f"/generations/{bomb}/").text):
            assert time.monotonic() < deadline, page
            time.sleep(0.2)
    print(f"\n{kind}: {(memory.peak - memory.idle) / MB:,.0f} MB above idle", end=" ")
    assert words in page
    assert memory.peak - memory.idle < ROOM
    # Made from the video, as its thumbnail is a bomb.
    assert ada.http.get(f"/generations/{whole}/poster").status_code == 200
