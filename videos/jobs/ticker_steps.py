"""Run the ticker's steps: a step that fails is recorded, logged once, and does not stop the others."""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..models import StepFailure
from .broker_errors import BrokerUnavailable

logger = logging.getLogger(__name__)

LOG_AGAIN_AFTER = 3600.0  # seconds without the fault


@dataclass(frozen=True, slots=True)
class Step:
    """One task of the ticker; `/readyz` and the doctor show its name."""

    name: str
    run: Callable[[], object]


class AddedStep(Protocol):
    """A step that the settings add to the ticker."""

    def run(self) -> object: ...

    def stop(self) -> None:
        """End what the step has started, as the ticker ends."""


class StepRunner:
    """Runs steps, and remembers which faults are logged already."""

    def __init__(self) -> None:
        self._logged: dict[tuple[str, str], float] = {}
        self._working: set[str] = set()

    def run(self, step: Step) -> bool:
        """Run a step; return False if it failed. Raises django.db.Error if the failure cannot be recorded either."""
        try:
            step.run()
        except Exception as error:
            # Before it is logged: if the database is away, the step is not to blame.
            StepFailure.objects.note(step.name, error)
            self._working.discard(step.name)
            self._log(step, error)
            return False
        if step.name not in self._working:
            StepFailure.objects.clear(step.name)
            self._working.add(step.name)
        return True

    def _log(self, step: Step, error: Exception) -> None:
        """Log a fault once, and again only after it has been absent for a while."""
        now = time.monotonic()
        self._logged = {key: at for key, at in self._logged.items() if now - at < LOG_AGAIN_AFTER}
        key = step.name, _fault(error)
        if key not in self._logged:
            # Its message names the cause; a traceback would not add to it.
            is_known = isinstance(error, BrokerUnavailable)
            logger.error(
                "step %s of the ticker fails, and is tried again at each round; the others go on%s",
                step.name,
                f": {error}" if is_known else "",
                exc_info=None if is_known else error,
            )
        self._logged[key] = now


def _fault(error: BaseException) -> str:
    """Identify a fault by its class and the line that raised it: the message may differ each time."""
    if isinstance(error, BaseExceptionGroup):
        return " ".join(sorted({_fault(inner) for inner in error.exceptions}))
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}@{place}"
