"""Record the results of the provider, and start what follows from them."""

import time

from lumaweb import logs

from .. import provider
from ..models import Generation, Verdict, histogram
from .queue import enqueue_archive, enqueue_drain


def record_result(generation: Generation, result: provider.Result, channel: str) -> Verdict:
    """Record a result ("answer", "callback" or "sweep"); save its video, and submit what waits for the free slot."""
    began = time.perf_counter()
    with logs.for_generation(generation.uuid):
        verdict = generation.record(result, channel, on_success=lambda: enqueue_archive(generation.pk))
    histogram.observe("news", f"{channel}/{verdict.name.lower()}", time.perf_counter() - began)
    # Checked after the commit: a drain that looked before it found no free slot.
    if verdict is Verdict.RECORDED and not generation.is_open and Generation.objects.waiting_to_submit().exists():
        enqueue_drain()
    return verdict
