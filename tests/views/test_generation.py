"""The page of a video: extracted frames, next and previous, chain and dialog."""

import io
import uuid
from urllib.parse import quote

import av
import pytest
from django.core.files.base import ContentFile

from videos.media.decoding import client as decoding
from videos.media.decoding import video
from videos.media.decoding.errors import NotAVideo
from videos.media.frames import extract_frame
from videos.models import Frame, Generation

from ..support.factories import a_generation, a_member
from ..support.numbered_video import FILM, PICTURES, RATE, number_of

pytestmark = pytest.mark.django_db

DIALOG = {"HX-Request": "true", "HX-Target": "video-dialog-body"}


@pytest.fixture
def member(client, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    member = a_member()
    client.force_login(member)
    return member


def saved(**facts) -> Generation:
    generation = a_generation(prompt=facts.pop("prompt", "A fox"))
    generation.video_file.save(f"{generation.uuid}.mp4", ContentFile(FILM), save=False)
    facts = {"state": "completed", "archive": "saved", "duration": 2.0, "frame_rate": RATE, "sha256": "0" * 64} | facts
    for name, value in facts.items():
        setattr(generation, name, value)
    generation.save()
    return generation


@pytest.mark.parametrize("number", range(PICTURES))
def test_the_frame_at_the_playhead_is_extracted(number):
    for at in (number / RATE, (number + 0.5) / RATE):
        _, [data] = video.extract(io.BytesIO(FILM), at)
        assert number_of(data) == number
    if number % 20 == 0:  # the same in a separate process, whose start takes as long as many pictures
        assert number_of(extract_frame(ContentFile(FILM), number / RATE).data) == number


def test_the_first_and_the_last_frame_are_exact():
    assert number_of(extract_frame(ContentFile(FILM), "first").data) == 0
    assert number_of(extract_frame(ContentFile(FILM), "last").data) == PICTURES - 1


def test_no_frame_is_extracted_from_a_file_that_is_not_a_video():
    with pytest.raises(NotAVideo):
        extract_frame(ContentFile(b"no video at all"), "first")


@pytest.mark.parametrize("kind", ["matroska", "mpegts"])
def test_a_video_in_another_container_is_not_opened(tmp_path, kind):
    path = tmp_path / "film.mp4"
    with av.open(io.BytesIO(FILM), format="mp4") as film, av.open(str(path), "w", format=kind) as other:
        stream = other.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                other.mux(packet)
    with pytest.raises(NotAVideo):
        decoding.read_video(path, stills=True)
    with pytest.raises(NotAVideo), path.open("rb") as file:
        video.probe(file)
    with pytest.raises(NotAVideo):
        extract_frame(ContentFile(path.read_bytes()), "first")


def test_the_frame_rate_is_read_from_the_file(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(FILM)
    facts = decoding.read_video(path, stills=False)
    assert (facts.duration, facts.frame_rate, facts.width, facts.height) == (2.0, RATE, 128, 72)


def test_an_extracted_frame_is_stored_and_put_into_the_form(client, member):
    address = f"{saved().get_absolute_url()}frames/"
    answer = client.post(address, {"side": "start", "at": "1.05"}, headers={"Accept": "application/json"})
    frame = Frame.objects.get(uuid=answer.json()["frame"])
    assert (frame.width, frame.height) == (128, 72)
    assert client.get(answer.json()["url"]).status_code == 200
    plain = client.post(address, {"side": "end", "at": "last"})
    assert plain.status_code == 302
    assert plain.url.startswith("/?mode=frames&end_frame=")


@pytest.mark.parametrize("at", ["", "-1", "nan", "1e3", "middle", "99", "1" * 400, "0x10"])
def test_an_invalid_time_is_refused_with_a_message(client, member, at):
    address = f"{saved().get_absolute_url()}frames/"
    answer = client.post(address, {"side": "start", "at": at}, headers={"Accept": "application/json"})
    assert answer.status_code == 422
    assert "time" in answer.json()["error"]


def test_no_frame_is_extracted_from_an_unsaved_video(client, member):
    waiting, lost = a_generation(), saved()
    lost.video_file.storage.delete(lost.video_file.name)
    for generation in (waiting, lost):
        address = f"{generation.get_absolute_url()}frames/"
        answer = client.post(address, {"side": "start", "at": "first"}, headers={"Accept": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["error"]
    assert client.get(f"{waiting.get_absolute_url()}frames/").status_code == 405


def test_a_failing_decoder_is_reported_as_an_error_of_the_frame(client, member, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_OUTPUT", 10)
    address = f"{saved().get_absolute_url()}frames/"
    answer = client.post(address, {"side": "start", "at": "first"}, headers={"Accept": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"] == "The frame could not be taken. Ask an admin to read the log."


def test_next_and_previous_follow_the_gallery_of_origin(client, member):
    first, _, third = saved(prompt="A fox"), saved(prompt="A stork"), saved(prompt="A fox again")
    page = client.get(f"{first.get_absolute_url()}?q=fox").content.decode()
    assert f'href="{third.get_absolute_url()}?q=fox" rel="prev"' in page
    assert 'rel="next"' not in page


def test_the_dialog_has_the_content_of_the_page(client, member):
    generation = saved()
    piece = client.get(generation.get_absolute_url(), headers=DIALOG).content.decode()
    assert f'id="video-{generation.uuid}"' in piece
    assert "<html" not in piece
    page = client.get(generation.get_absolute_url()).content.decode()
    assert f'id="generation-{generation.uuid}"' in page
    assert "<html" in page
    generation.trash(member)
    assert client.get(generation.get_absolute_url(), headers=DIALOG).status_code == 200
    assert client.get(generation.get_absolute_url()).status_code == 404


def test_a_chain_names_videos_that_cannot_be_played(client, member):
    first = saved()
    middle = a_generation()
    last = saved(prompt="And on")
    Generation.objects.filter(pk=middle.pk).update(parent=first)
    Generation.objects.filter(pk=last.pk).update(parent=middle)
    context = client.get(last.get_absolute_url()).context
    assert context["chain"] == [first, last]
    assert context["chain_lacks"] == 1


def test_the_number_of_queries_does_not_grow_with_the_branches(client, member, django_assert_max_num_queries):
    parent = saved()
    for _ in range(30):
        Generation.objects.filter(pk=saved().pk).update(parent=parent)
    client.get(parent.get_absolute_url())
    with django_assert_max_num_queries(40):
        client.get(parent.get_absolute_url())


def test_unknown_videos_are_not_found(client, member):
    assert client.get(f"/generations/{uuid.uuid4()}/").status_code == 404
    assert client.post(f"/generations/{uuid.uuid4()}/frames/").status_code == 404


def test_a_download_is_named_after_the_prompt_in_its_script(client, member):
    video = saved(prompt="Лиса на снегу, 雪")
    answer = client.get(f"/generations/{video.uuid}/video?download=1")
    name = f"лиса-на-снегу-雪-{video.uuid.hex[:8]}.mp4"
    plain, extended = answer["Content-Disposition"].split("; ")[1:]
    assert extended == f"filename*=UTF-8''{quote(name)}"
    assert plain == f'filename="{video.uuid.hex[:8]}.mp4"'
