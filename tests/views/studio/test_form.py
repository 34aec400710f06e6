"""The form: what it makes, repeats and refuses."""

import uuid

import pytest

from videos.models import Generation, Submission

from ...support.form_requests import HTMX, asked

pytestmark = pytest.mark.django_db


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
