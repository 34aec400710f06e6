"""The studio over HTTP: submissions, refusals and polls."""

import io
import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from videos.models import Frame, Generation, Submission
from videos.provider import Sent

from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, an_error, running

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def token():
    return a_token(base_url="http://127.0.0.1:8801")


def a_picture(size=(64, 48), kind="PNG", mode="RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "teal").save(out, kind)
    return out.getvalue()


def upload(data: bytes, name="frame.png", content_type="image/png"):
    return SimpleUploadedFile(name, data, content_type)


def asked(**fields):
    return {"prompt": "Astronauts shuttle from space to volcano", "aspect_ratio": "16:9"} | fields


def test_a_form_makes_a_generation(client, ada):
    answer = client.post("/generations/", asked(timeout="600", loop="true", enhancement="false"))
    assert answer.status_code == 302
    generation = Generation.objects.get()
    assert (generation.state, generation.member, generation.timeout) == ("queued", ada, 600)
    assert (generation.loop, generation.enhancement) == (True, False)


def test_htmx_gets_the_cards(client, ada):
    answer = client.post("/generations/", asked(count="3"), headers=HTMX)
    assert answer.status_code == 200
    for generation in Generation.objects.all():
        assert f'id="generation-{generation.uuid}"'.encode() in answer.content
    assert list(Generation.objects.values_list("take", "takes")) == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_double_click_makes_one_submission(client, ada, headers):
    key = str(uuid.uuid4())
    for _ in range(2):
        assert client.post("/generations/", asked(submission_key=key), headers=headers).status_code in (
            200,
            302,
        )
    assert Submission.objects.count() == 1


def test_an_unchecked_box_is_off_and_a_script_gets_the_default(client, ada):
    client.post("/generations/", asked(form="1"))
    client.post("/generations/", asked())
    assert list(Generation.objects.order_by("pk").values_list("enhancement", flat=True)) == [False, True]


BAD = {
    "empty prompt": ({"prompt": ""}, "Describe what the video should show."),
    "blank prompt": ({"prompt": " \n\t "}, "Describe what the video should show."),
    "20,000 characters": ({"prompt": "x" * 20_000}, "20,000 characters"),
    "control characters": ({"prompt": "a\x07b"}, "control characters"),
    "NUL": ({"prompt": "a\x00b"}, "Null characters"),
    "unknown ratio": ({"aspect_ratio": "5:4"}, "Choose one of"),
    "timeout 0": ({"timeout": "0"}, "from 30 to 3,600"),
    "timeout -1": ({"timeout": "-1"}, "from 30 to 3,600"),
    "timeout text": ({"timeout": "soon"}, "from 30 to 3,600"),
    "timeout 10^9": ({"timeout": "1000000000"}, "from 30 to 3,600"),
    "timeout in Arabic digits": ({"timeout": "٣٠٠"}, "from 30 to 3,600"),
    "five takes": ({"count": "5"}, "1 to 4 takes"),
    "no takes": ({"count": "0"}, "1 to 4 takes"),
    "unknown action": ({"action": "destroy"}, "either generate or extend"),
    "ftp link": ({"start_image_url": "ftp://example.com/a.jpg"}, ""),
    "javascript link": ({"start_image_url": "javascript:alert(1)"}, ""),
    "this machine": ({"start_image_url": "http://localhost/a.jpg"}, "this machine"),
    "loopback": ({"start_image_url": "http://127.0.0.1/a.jpg"}, "private"),
    "loopback in disguise": ({"end_image_url": "http://2130706433/a.jpg"}, ""),
    "private network": ({"end_image_url": "http://192.168.1.1/a.jpg"}, "private"),
    "metadata service": ({"end_image_url": "http://169.254.169.254/latest"}, "private"),
    "a very long link": ({"end_image_url": "https://example.com/" + "a" * 3000}, "longer than"),
    "extend nothing": ({"action": "extend"}, "ID of the video to extend"),
    "extend a private link": ({"action": "extend", "video_url": "http://10.0.0.1/v.mp4"}, "private"),
    "extend an id with spaces": ({"action": "extend", "video_id": "a b"}, "no spaces"),
}


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
@pytest.mark.parametrize("case", BAD)
def test_invalid_input_is_explained_kept_and_creates_nothing(client, ada, case, headers):
    fields, words = BAD[case]
    answer = client.post(
        "/generations/",
        asked(start_image_url="https://example.com/kept.jpg", mode="") | fields,
        headers=headers,
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in text
    assert 'role="alert"' in text or "error" in text
    if "prompt" not in fields:
        assert "Astronauts shuttle from space to volcano</textarea>" in text
    if "start_image_url" not in fields:
        assert "https://example.com/kept.jpg" in text
    assert not Submission.objects.exists()
    assert not Generation.objects.exists()


def test_a_link_to_a_configured_origin_is_allowed(client, ada, token):
    client.post("/generations/", asked(start_image_url="http://127.0.0.1:8801/a.jpg"))
    assert Generation.objects.get().start_image_url == "http://127.0.0.1:8801/a.jpg"


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


def completed(token, **settings) -> Generation:
    generation = a_generation(**settings)
    generation.claim()
    generation.record(running(f"task-{generation.pk}"), "answer")
    generation.record(a_result(f"task-{generation.pk}", video_id=f"video-{generation.pk}"), "callback")
    return generation


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


def test_every_page_needs_a_sign_in(client, token):
    generation = completed(token)
    paths = [
        "/",
        "/live/",
        f"/generations/{generation.uuid}/",
        f"/generations/{generation.uuid}/video",
        f"/generations/{generation.uuid}/poster",
        f"/generations/{generation.uuid}/extend/",
        "/admin/",
    ]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 302, path
        assert "/login/" in answer["Location"]
    answer = client.post("/generations/", asked(), headers=HTMX)
    assert answer["HX-Redirect"].startswith("/login/")


def test_only_the_author_or_an_admin_may_act(client, token):
    generation = a_generation(a_member("ada"))
    client.force_login(a_member("ben"))
    assert client.post(f"/generations/{generation.uuid}/cancellation/").status_code == 403
    client.force_login(an_admin())
    assert client.post(f"/generations/{generation.uuid}/cancellation/").status_code == 302
    generation.refresh_from_db()
    assert generation.state == "canceled"


def test_a_retry_is_a_new_generation(client, ada, token):
    generation = a_generation(ada)
    generation.claim()
    generation.refuse(an_error("forbidden", Sent.REFUSED, status=403))
    client.post(f"/generations/{generation.uuid}/retries/")
    assert generation.retries.get().prompt == generation.prompt


def test_the_poll_reports_changes_once(client, ada, token):
    generation = a_generation(ada)
    answer = client.get("/live/", {"since": "0", "newest": "0", "top": "1"})
    assert f"generation-{generation.uuid}" in answer.content.decode()
    known = f"{generation.pk}:{generation.version}"
    since = generation.changed_at.timestamp()
    ask = {"since": since, "known": known, "newest": generation.pk, "top": "1"}
    assert client.get("/live/", ask).status_code == 204
    generation.claim()
    answer = client.get("/live/", ask)
    assert 'data-state="submitting"' in answer.content.decode()


def test_an_idle_poll_is_one_query_besides_session_and_member(client, ada, django_assert_num_queries):
    a_generation(ada)
    later = "99999999999"
    with django_assert_num_queries(3):
        assert client.get("/live/", {"since": later}).status_code == 204


@pytest.mark.parametrize(
    "query",
    ["since=x", "since=1e400", "since=nan", "known=a:b 1:2:3 ::", "newest=99999999999999999999", "only=x"],
)
def test_an_invalid_poll_is_no_error(client, ada, query):
    a_generation(ada)
    assert client.get(f"/live/?{query}").status_code in (200, 204)


def test_below_the_top_new_videos_are_announced_by_a_pill(client, ada):
    for _ in range(3):
        a_generation(ada)
    text = client.get("/live/", {"since": "0", "newest": "0", "top": "0"}).content.decode()
    assert "3 new" in text
    assert 'class="card' not in text


def test_pages_are_linked_by_cursor(client, ada, django_assert_max_num_queries):
    for number in range(60):
        a_generation(ada, prompt=f"number {number}")
    first = client.get("/").content.decode()
    assert first.count('id="generation-') == 48
    cursor = Generation.objects.order_by("-pk")[47].pk
    with django_assert_max_num_queries(10):
        second = client.get(f"/?before={cursor}").content.decode()
    assert second.count('id="generation-') == 12
    assert client.get("/?before=garbage").status_code == 200


def test_the_setup_page_creates_the_admin_once(client):
    assert client.get("/", follow=True).redirect_chain[-1][0] == "/setup/"
    mismatch = {"username": "ada", "password1": "correct-horse-9", "password2": "other"}
    assert client.post("/setup/", mismatch).status_code == 422
    answer = client.post("/setup/", mismatch | {"password2": "correct-horse-9"})
    assert answer.status_code == 302
    assert client.get("/").status_code == 200
    client.logout()
    client.post("/setup/", {"username": "eve", "password1": "correct-horse-9", "password2": "correct-horse-9"})
    from videos.models import Member

    assert [(member.username, member.is_superuser) for member in Member.objects.all()] == [("ada", True)]


def test_no_token_is_ever_shown(client):
    a_token("sandbox-very-secret-1234")
    client.force_login(an_admin())
    listing = client.get("/admin/videos/apitoken/").content.decode()
    change = client.get(f"/admin/videos/apitoken/{a_token('other-secret-9999').pk}/change/").content.decode()
    assert "…1234" in listing
    assert "very-secret" not in listing + change
    assert "other-secret" not in change
    assert "free quota" in client.get("/admin/videos/apitoken/add/").content.decode()


def test_generations_are_read_only_in_the_admin(client, token):
    generation = completed(token)
    client.force_login(an_admin())
    assert client.get(f"/admin/videos/generation/{generation.pk}/change/").status_code == 200
    assert client.post(f"/admin/videos/generation/{generation.pk}/change/", {"state": "failed"}).status_code == 403
    assert client.post(f"/admin/videos/generation/{generation.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/videos/generation/add/").status_code == 403


def test_a_flood_of_changes_is_reported_over_several_polls(client, ada):
    """More rows than one response carries: each poll continues where the last ended."""
    member = a_member("ben")
    start = timezone.now() - timezone.timedelta(seconds=10)
    rows = [a_generation(member) for _ in range(450)]
    for number, row in enumerate(rows):
        Generation.objects.filter(pk=row.pk).update(changed_at=start + timezone.timedelta(milliseconds=20 * number))
    told, ask = set(), {"since": f"{start.timestamp():.3f}", "newest": rows[-1].pk, "known": ""}
    for _ in range(6):
        answer = client.get("/live/", ask)
        if answer.status_code == 204:
            break
        text = answer.content.decode()
        told |= set(re.findall(r'id="generation-([0-9a-f-]{36})"', text))
        ask |= dict(re.findall(r'data-(since|known)="([^"]*)"', text.partition("<live-state")[2]))
    assert len(told) == 450
    assert client.get("/live/", ask).status_code == 204


def test_polls_settle_after_a_change_of_many_videos(client):
    ada = a_member("ada")
    client.force_login(ada)
    rows = [a_generation(ada, takes=4) for _ in range(100)]
    page = client.get("/").context["poll"]
    assert Generation.objects.hold() == 400
    told = set()
    for _ in range(8):
        answer = client.get("/live/", page | {"top": "1"})
        if answer.status_code == 204:
            break
        told |= {card.pk for card in answer.context["changed"]}
        page = answer.context["poll"]
    assert answer.status_code == 204, "it is told the same again and again"
    assert len(told) == 400
    new = a_generation(ada)
    assert f"generation-{new.uuid}" in client.get("/live/", page | {"top": "1"}).content.decode()
    assert rows
