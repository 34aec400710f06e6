"""Which row a worker claims, and with which token."""

import pytest
from django.db.models import F

from videos import tasks
from videos.models import ApiToken, Generation

from ..support.factories import a_generation, a_member, a_result, a_token, running

pytestmark = pytest.mark.django_db(transaction=True)


def test_running_videos_of_a_member_count_for_the_fair_order(stub, token):
    ada, ben, cy = a_member("ada"), a_member("ben"), a_member("cy")
    ApiToken.objects.update(max_in_flight=3)
    batch = [a_generation(ada, prompt=f"batch {number}") for number in range(6)]
    tasks.drain()
    ApiToken.objects.update(max_in_flight=F("in_flight") + 3)
    late = [a_generation(ben, prompt="single"), a_generation(cy, prompt="pair"), a_generation(cy, prompt="pair 2")]
    tasks.drain()
    sent = [post["prompt"] for post in stub.posts]
    assert sorted(sent[3:]) == ["pair", "pair 2", "single"], "ada already has three in progress"
    assert [row.state for row in Generation.objects.filter(pk__in=[row.pk for row in late])] == ["processing"] * 3
    assert Generation.objects.filter(pk__in=[row.pk for row in batch], state="queued").count() == 3


def test_an_extension_goes_to_its_parent_s_token(stub, token):
    second = a_token("sandbox-second", base_url=stub.url, priority=99)
    parent = a_generation()
    parent.claim()
    Generation.objects.filter(pk=parent.pk).update(token=second)
    parent.refresh_from_db()
    parent.record(running("p"), "answer")
    parent.record(a_result("p"), "callback")
    child = a_generation(action="extend", source_video_id="video-1", parent=parent)
    assert child.claim().token == second
