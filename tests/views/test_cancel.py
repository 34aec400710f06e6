"""Cancel a video."""

import json

import pytest
from django.utils import timezone

from videos.models import Generation, State

from ..support.factories import a_generation, a_token

pytestmark = pytest.mark.django_db

ON_THE_WALL = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


# ── Requests that answered 500 ──────────────────────────────────────────────────────────────────────────────────────


def test_canceling_a_video_trashed_meanwhile_removes_its_card(client, ada, monkeypatch):
    generation = a_generation(ada)
    monkeypatch.setattr(Generation, "cancel", thrown_away_meanwhile)
    answer = client.post(f"/generations/{generation.uuid}/cancellation/", headers=ON_THE_WALL)
    assert answer.status_code == 200
    assert f'id="generation-{generation.uuid}" data-own hx-swap-oob="delete"' in answer.content.decode()


def thrown_away_meanwhile(generation, member) -> bool:
    """Trash the video from another window between the look-up and the cancel."""
    now = timezone.now()
    Generation.objects.filter(pk=generation.pk).update(state=State.CANCELED, finished_at=now, trashed_at=now)
    return False


# ── What is sent, and how ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_cancel_that_comes_too_late_says_so(client, ada):
    a_token()
    generation = a_generation(ada)
    generation.claim()
    path = f"/generations/{generation.uuid}/cancellation/"
    answer = client.post(path, headers=ON_THE_WALL)
    assert "cannot be stopped" in json.loads(answer["HX-Trigger"])["toast"]["text"]
    here = ON_THE_WALL | {"HX-Current-URL": f"http://testserver/generations/{generation.uuid}/"}
    assert client.post(path, headers=here)["HX-Refresh"] == "true"
    assert "cannot be stopped" in client.get(f"/generations/{generation.uuid}/").content.decode()


def test_a_repeated_cancel_shows_no_message(client, ada):
    generation = a_generation(ada)
    for _ in range(2):
        answer = client.post(f"/generations/{generation.uuid}/cancellation/", headers=ON_THE_WALL)
        assert answer.status_code == 200 and "HX-Trigger" not in answer
