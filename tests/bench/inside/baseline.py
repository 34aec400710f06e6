"""The baseline of the submission: one queue task for each generation."""

import httpx

from videos.models import Generation
from videos.provider import Result


def submit_one(pk: int) -> None:
    """Submit one generation and wait for the response."""
    generation = Generation.objects.get(pk=pk)
    claim = generation.claim()
    response = httpx.post(
        f"{claim.token.base_url}/luma/videos",
        json=generation.request(claim, {}).payload(),
        headers={"authorization": f"Bearer {claim.token.secret}"},
        timeout=30,
    )
    generation.record(Result(task_id=response.json()["task_id"]), "answer")
