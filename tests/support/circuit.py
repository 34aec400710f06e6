"""A token's circuit: what it allows, and how a pause ends."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from videos.models import ApiToken

from .stub_provider import StubProvider

BUSY = (429, {"error": {"code": "too_many_requests", "message": "5 tasks are in progress"}})

UNEXPLAINED = (403, {"error": {"code": "account_review", "message": "under review"}})

BROKEN = (502, {})

ABSENT = (404, {"error": {"code": "task_not_found", "message": "no such task"}})


def now_of(token: ApiToken) -> ApiToken:
    return ApiToken.objects.get(pk=token.pk)


def allowed(token: ApiToken) -> int:
    """Return how many POSTs may run, on which token and database agree."""
    token, now = now_of(token), timezone.now()
    at_once = token.posts_at_once(now)
    ApiToken.objects.filter(pk=token.pk).update(sending=at_once)
    assert not ApiToken.objects.with_room(now).exists()
    ApiToken.objects.filter(pk=token.pk).update(sending=at_once - 1)
    assert ApiToken.objects.with_room(now).exists()
    ApiToken.objects.filter(pk=token.pk).update(sending=0)
    return at_once


def end_pause(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(limited_until=timezone.now() - timedelta(seconds=1))


def posts_of(stub: StubProvider) -> list[dict]:
    return [post for post in stub.posts if "prompt" in post]


def pause_of(token: ApiToken) -> float:
    """Return the remaining seconds of the token's pause."""
    return (now_of(token).limited_until - timezone.now()).total_seconds()


# ── Counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def in_thread(function):
    def run():
        try:
            function()
        finally:
            connection.close()

    return run
