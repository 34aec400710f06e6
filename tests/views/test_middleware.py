"""Middleware: redirects after a sign-in, requests without a usable URL or session, and polls."""

import pytest
from django.conf import settings as installation
from django.http import parse_cookie
from django.test import Client

from ..support.factories import a_generation, a_member

pytestmark = pytest.mark.django_db

NO_ADDRESS = {"HX-Request": "true", "HX-Current-URL": "http://["}
ON_THE_WALL = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


@pytest.mark.parametrize("name", ["HX-Current-URL", "Referer"])
@pytest.mark.parametrize(
    "address", ["http://[", "http://evil.example/", "http://testserver//evil.example/", "//x", "\xff"]
)
def test_a_sign_in_does_not_redirect_to_another_site(name, address):
    a_member()
    answer = Client().get("/live/", headers={"HX-Request": "true", name: address})
    assert answer["HX-Redirect"] == "/login/?next=/"


def test_the_redirect_after_a_sign_in_is_quoted():
    a_member()
    headers = ON_THE_WALL | {"Referer": "http://testserver/?before=7&next=//x"}
    assert Client().get("/live/", headers=headers)["HX-Redirect"] == "/login/?next=/%3Fbefore%3D7%26next%3D//x"


def test_no_redirect_is_built_from_hx_current_url(client, ada):
    said = {"HX-Current-URL": "http://testserver/said/?by=htmx"}
    signed_out = Client().get("/live/", headers=said | {"HX-Request": "true"})
    assert signed_out["HX-Redirect"] == "/login/?next=/"
    generation = a_generation(ada)
    acts = {name: f"/selection/{name}/" for name in ("zip", "stars", "trash", "restoration", "retries")}
    acts |= {name: f"/generations/{generation.uuid}/{name}/" for name in ("star", "choice", "cancellation", "retries")}
    for headers in (said, said | {"HX-Request": "true"}):
        for path in acts.values():
            answer = client.post(path, {"v": [str(generation.uuid)], "on": "1", "choice": ""}, headers=headers)
            assert answer.status_code in (200, 302), path
            for header in ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url"):
                assert "said" not in answer.headers.get(header, ""), path


@pytest.mark.parametrize("headers", [NO_ADDRESS, {"HX-Request": "true"}], ids=["no address", "not said"])
@pytest.mark.parametrize("act", ["trash", "restoration", "deletion", "cancellation", "dismissal", "retries", "saving"])
def test_every_action_works_without_hx_current_url(client, ada, act, headers):
    generation = a_generation(ada)
    if act == "restoration":
        generation.trash(ada)
    assert client.post(f"/generations/{generation.uuid}/{act}/", headers=headers).status_code == 200


@pytest.mark.parametrize("since", ["-62135596800", "0", "253402300799"])
def test_a_poll_with_an_extreme_time_is_answered(client, ada, since):
    assert client.get("/live/", {"since": since}).status_code == 204


def test_an_invalid_session_key_is_not_looked_up(client, django_assert_num_queries):
    a_member()
    client.get("/login/")  # whether there is a member is queried only once
    # As a plain header: newer releases of Python's http.cookies refuse to build such a cookie.
    planted = {"cookie": f'{installation.SESSION_COOKIE_NAME}="\\000aaaaaaaaaaa"'}
    with django_assert_num_queries(0):
        answer = client.get("/live/", headers=planted)
    assert answer.status_code == 302
    sent = parse_cookie(answer.wsgi_request.META["HTTP_COOKIE"])
    assert sent[installation.SESSION_COOKIE_NAME].startswith("\0"), "the server would read another key"
