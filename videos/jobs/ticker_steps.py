"""Run the steps of the ticker so that one that fails is noted, logged once, and stops no other."""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from ..models import StepFailure

logger = logging.getLogger(__name__)

LOGGED_AGAIN_AFTER = 3600.0  # seconds, for a fault that comes and goes


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the ticker does; `name` is what `/readyz` and the doctor call it."""

    name: str
    run: Callable[[], object]


class StepRunner:
    """Remembers which faults are logged already, for as long as its process lives."""

    def __init__(self) -> None:
        self._logged: dict[tuple[str, str], float] = {}
        self._works: set[str] = set()

    def run(self, step: Step) -> bool:
        """Run a step; False where it failed. Raises django.db.Error while the failure cannot be noted either."""
        try:
            step.run()
        except Exception as error:
            # Before it is logged: where the database is away the fault is not the step's.
            StepFailure.objects.note(step.name, error)
            self._works.discard(step.name)
            self._log(step, error)
            return False
        if step.name not in self._works:
            StepFailure.objects.clear(step.name)
            self._works.add(step.name)
        return True

    def _log(self, step: Step, error: Exception) -> None:
        now = time.monotonic()
        self._logged = {key: at for key, at in self._logged.items() if now - at < LOGGED_AGAIN_AFTER}
        key = step.name, _fault(error)
        if key not in self._logged:
            logger.error(
                "step %s of the ticker fails, and is tried again at each round; the others go on",
                step.name,
                exc_info=error,
            )
        # One that keeps failing is logged once.
        self._logged[key] = now


def _fault(error: BaseException) -> str:
    """Name a fault by its class and the line that raised it: its words may differ each time."""
    if isinstance(error, BaseExceptionGroup):
        return " ".join(sorted({_fault(one) for one in error.exceptions}))
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}@{place}"
