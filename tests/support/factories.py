"""Create rows the way the product does."""

import uuid

from django.utils import timezone

from videos import provider
from videos.models import ApiToken, Generation, Member, Submission


def a_member(username: str = "ada", **extra) -> Member:
    # No password: hashing one takes longer than most tests. Sign in with `client.force_login`.
    return Member.objects.create_user(username, **extra)


def an_admin(username: str = "root") -> Member:
    return Member.objects.create_superuser(username)


def a_token(secret: str = "sandbox", base_url: str = "http://127.0.0.1:9", **extra) -> ApiToken:
    """Create a token that has room for many videos and a recent clear answer, unlike a new one."""
    extra = {"max_in_flight": 100, "clear_at": timezone.now(), "ramp": 1000} | extra
    token = ApiToken(name="test", base_url=base_url, **extra)
    token.secret = secret
    token.save()
    return token


def a_generation(member: Member | None = None, *, takes: int = 1, **settings) -> Generation:
    member = member or Member.objects.filter(username="ada").first() or a_member()
    settings.setdefault("prompt", "Astronauts shuttle from space to volcano")
    submission, _ = Submission.objects.open(member, uuid.uuid4(), takes, **settings)
    return submission.generations.order_by("take").first()


def a_result(task_id: str = "task-1", **fields) -> provider.Result:
    """Return a finished video as in the contract's example."""
    facts = {
        "status": provider.Status.COMPLETED,
        "video_id": "video-1",
        "video_url": "https://platform.cdn.acedata.cloud/luma/v.mp4",
        "video_width": 1360,
        "video_height": 752,
        "state": "completed",
        "success": True,
        "prompt": "Astronauts shuttle from space to volcano",
    }
    return provider.Result(task_id=task_id, **(facts | fields))


def running(task_id: str = "task-1") -> provider.Result:
    return provider.Result(task_id=task_id)


def failure(task_id: str = "task-1", code: str = "api_error") -> provider.Result:
    return provider.Result(
        task_id=task_id,
        status=provider.Status.FAILED,
        success=False,
        error_code=code,
        error_message="it broke",
        trace_id="trace-1",
    )


def an_error(code: str, sent: provider.Sent, **extra) -> provider.ProviderError:
    return provider.ProviderError(code, "in the provider's words", sent=sent, **extra)
