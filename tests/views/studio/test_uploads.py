"""Frames that are uploaded with the form."""

import pytest

from videos.frames import DECODER_FAILED
from videos.media.decoding import client as decoding
from videos.models import Frame, Generation

from ...support.factories import a_token
from ...support.form_requests import a_picture, asked, upload

pytestmark = pytest.mark.django_db

BAD_PICTURES = {
    "text": b"this is no picture",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "gif": b"GIF89a" + bytes(100),
    "empty": b"",
    "truncated": a_picture((400, 400), "JPEG")[:300],
    "tiny": a_picture((4, 4)),
}


def a_bomb() -> bytes:
    """Return a PNG of a few bytes whose header claims 60000×60000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("case", [*BAD_PICTURES, "bomb", "50 MB"])
def test_an_unusable_upload_is_refused_with_a_message(client, ada, token, case):
    data = {"bomb": a_bomb, "50 MB": lambda: bytes(50 * 1024 * 1024)}.get(case, lambda: BAD_PICTURES[case])()
    answer = client.post("/generations/", asked(start_image=upload(data)))
    assert answer.status_code == 422
    assert "picture" in answer.content.decode()
    assert not Generation.objects.exists()
    assert not Frame.objects.exists()


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "L"), ("JPEG", "CMYK"), ("WEBP", "RGB")]
)
def test_an_uploaded_picture_is_reencoded(client, ada, token, kind, mode):
    data = a_picture(kind=kind, mode=mode)
    client.post("/generations/", asked(start_image=upload(data + b"<script>polyglot</script>")))
    frame = Generation.objects.get().start_frame
    stored = frame.file.open("rb").read()
    assert stored[:2] == b"\xff\xd8"
    assert b"polyglot" not in stored
    assert (frame.width, frame.height) == (64, 48)


def test_a_failing_decoder_is_reported_as_an_error_of_the_picture(client, ada, token, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_OUTPUT", 10)
    answer = client.post("/uploads/", {"image": upload(a_picture())})
    assert (answer.status_code, answer.json()) == (422, {"error": DECODER_FAILED})


def test_an_upload_is_kept_when_something_else_is_wrong(client, ada, token):
    answer = client.post("/generations/", asked(prompt="", start_image=upload(a_picture())))
    frame = Frame.objects.get()
    assert str(frame.uuid) in answer.content.decode()
    client.post("/generations/", asked(start_frame=str(frame.uuid)))
    assert Generation.objects.get().start_frame == frame


def test_the_same_picture_is_stored_once(client, ada, token):
    for _ in range(2):
        client.post("/generations/", asked(start_image=upload(a_picture()), again="1"))
    assert Frame.objects.count() == 1
    assert Generation.objects.count() == 2


def test_without_a_public_address_uploads_work_until_the_provider_refuses_one(client, ada):
    token = a_token(base_url="https://api.acedata.cloud")
    client.post("/generations/", asked(start_image=upload(a_picture())))
    assert Generation.objects.get().start_frame
    Generation.objects.all().delete()
    token.refuse_uploads("api.acedata.cloud/files/upload answered 404.")
    answer = client.post("/generations/", asked(start_image=upload(a_picture())))
    assert answer.status_code == 422
    assert "api.acedata.cloud/files/upload answered 404. Use a link instead." in answer.content.decode()
    client.post("/generations/", asked(start_image_url="https://example.com/a.jpg"))
    assert Generation.objects.get().start_image_url
