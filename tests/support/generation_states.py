"""Bring generations into a state by real transitions."""

from videos.models import ApiToken, Generation, Verdict
from videos.provider import Sent

from .factories import a_generation, a_result, a_token, an_error, running


def in_state(state: str, *, task_id: str = "task-1") -> Generation:
    """Bring a generation into a state by real transitions."""
    token = ApiToken.objects.first() or a_token()
    generation = a_generation()
    member = generation.member
    if state == "queued":
        return generation
    if state == "canceled":
        assert generation.cancel(member)
        return generation
    claim = generation.claim()
    assert claim and claim.token == token
    if state == "unconfirmed":
        assert generation.refuse(an_error("no_answer", Sent.MAYBE))
    elif state == "failed":
        assert generation.refuse(an_error("forbidden", Sent.REFUSED, status=403))
    elif state in ("processing", "completed"):
        assert generation.record(running(task_id), "answer") is Verdict.RECORDED
    if state == "completed":
        assert generation.record(a_result(task_id), "callback") is Verdict.RECORDED
    assert generation.state == state
    return generation
