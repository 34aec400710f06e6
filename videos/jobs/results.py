"""Record news of a generation, and set going what follows from it."""

import time

from lumaweb import logs

from .. import provider
from ..models import Generation, Verdict, histogram
from .queue import enqueue_archive, enqueue_drain


def record_result(generation: Generation, result: provider.Result, via: str) -> Verdict:
    """Record news, and set going what follows from it."""
    began = time.perf_counter()
    with logs.for_generation(generation.uuid):
        verdict = generation.record(result, via, along=lambda: enqueue_archive(generation.pk))
    histogram.observe("news", f"{via}/{verdict.name.lower()}", time.perf_counter() - began)
    # Asked after the commit: whoever came before it and saw no room was sent away.
    if verdict is Verdict.RECORDED and not generation.is_open and Generation.objects.waiting_to_submit().exists():
        enqueue_drain()
    return verdict


# ── Submitting ────────────────────────────────────────────────────────────────────────────────────────────────
