"""Who may open and change what."""

import pytest

from videos.provider import Sent

from ...support.factories import a_generation, a_member, a_token, an_admin, an_error
from ...support.form_requests import HTMX, asked, completed

pytestmark = pytest.mark.django_db


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
