"""Requests of any shape: nothing answers 500, and garbage creates nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videos.models import Generation, State

from .factories import a_generation, a_member, a_token

pytestmark = pytest.mark.django_db

FIELDS = [
    "action", "mode", "prompt", "aspect_ratio", "start_image_url", "end_image_url", "enhancement", "loop", "timeout",
    "video_id", "video_url", "count", "submission_key", "start_frame", "end_frame", "form", "start_image",
]  # fmt: skip
anything = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True
)
texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["generate", "extend", "16:9", "1", "0", "-1", "1e9", "NaN", "http://[", "http://[::1]/", "//x"]),
    st.sampled_from(["https://example.com:99999/", "http://\u0130.example/", "\ud800", "\x00", "٣", "None", "{}"]),
)


@anything
@given(form=st.dictionaries(st.sampled_from(FIELDS), texts, max_size=8))
def test_no_form_answers_500(client, form):
    client.force_login(a_known_member())
    before = Generation.objects.count()
    form = {name: value.encode("utf-8", "surrogatepass") for name, value in form.items()}
    answer = client.post("/generations/", form)
    assert answer.status_code in (302, 400, 422)
    assert (Generation.objects.count() > before) == (answer.status_code == 302)


@anything
@given(body=st.binary(max_size=400), content_type=st.sampled_from([
    "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x", "application/json",
    "text/plain; charset=utf-7", "text/plain; charset=nonsense", "",
]))  # fmt: skip
def test_no_body_answers_500(client, body, content_type):
    client.force_login(a_known_member())
    answer = client.generic("POST", "/generations/", body, content_type=content_type)
    assert 400 <= answer.status_code < 500
    assert not Generation.objects.exists()


@anything
@given(query=st.dictionaries(st.sampled_from(["since", "known", "newest", "top", "only", "before", "hidden"]), texts))
def test_no_query_answers_500(client, query):
    client.force_login(a_known_member())
    query = {name: value.encode("utf-8", "replace") for name, value in query.items()}
    assert client.get("/live/", query).status_code in (200, 204)
    assert client.get("/", query).status_code == 200


@anything
@given(body=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_callback_body_answers_500_or_moves_a_row(client, body):
    generation, path = a_claimed_generation()
    answer = client.generic("POST", path, body, content_type="application/json")
    assert answer.status_code in (204, 400)
    generation.refresh_from_db()
    assert generation.state == State.SUBMITTING


def a_known_member():
    from videos.models import Member

    return Member.objects.filter(username="ada").first() or a_member("ada")


def a_claimed_generation():
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_generation(a_known_member())
    claim = generation.claim()
    return generation, "/" + claim.callback_url.split("/", 3)[3]
