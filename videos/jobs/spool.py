"""Answers that the database has not taken yet, in files: what a worker leaves behind when it is ended meanwhile.

One JSON file for each answer, readable by this installation's user only. It holds no token, no callback key and
nothing of the request.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from lumaweb.logs import redact

from .. import provider


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one POST: a result or an error, and the claim it answers.

    attempt: the number of the claim, by which a later claim of the same row is told apart. next_source: with an error,
    the number of the next way to name the source; 0 for none.
    """

    uuid: UUID
    attempt: int
    result: provider.Result | None = None
    error: provider.ProviderError | None = None
    next_source: int = 0

    @property
    def task_id(self) -> str:
        return self.result.task_id if self.result else self.error.task_id if self.error else ""

    def __str__(self) -> str:
        said = f"task id {self.task_id}" if self.task_id else str(self.error or "no task id")
        return f"generation {self.uuid}: {said}"

    def as_json(self) -> str:
        said: dict[str, Any] = {"uuid": str(self.uuid), "attempt": self.attempt, "next_source": self.next_source}
        if self.result:
            # The echo of the request holds the callback's address, and an error's words may quote it.
            words = redact(self.result.error_message)
            said["result"] = asdict(replace(self.result, request=None, error_message=words))
        if self.error:
            said["error"] = {name: getattr(self.error, name) for name in _ERROR_FIELDS}
            said["error"]["message"] = redact(self.error.message)
        return json.dumps(said, ensure_ascii=True)


_ERROR_FIELDS = ("code", "message", "status", "trace_id", "whose", "sent", "retry_after", "task_id")
_RESULT_FIELDS = {field.name for field in fields(provider.Result)} - {"request"}


def read(path: Path) -> Outcome:
    """Read a file of the spool; raise OSError, ValueError for one that holds no outcome."""
    try:
        said = json.loads(path.read_text())
        result, error = said.get("result"), said.get("error")
        return Outcome(
            uuid=UUID(said["uuid"]),
            attempt=int(said["attempt"]),
            next_source=int(said["next_source"]),
            result=_result(result) if result else None,
            error=_error(error) if error else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} holds no outcome: {error!r}") from error


def _result(said: dict[str, Any]) -> provider.Result:
    # Another version may have written it: unknown fields are left out.
    known = {name: value for name, value in said.items() if name in _RESULT_FIELDS}
    return provider.Result(**known | {"status": provider.Status(said["status"])})


def _error(said: dict[str, Any]) -> provider.ProviderError:
    known = {name: value for name, value in said.items() if name in _ERROR_FIELDS and name not in ("code", "message")}
    known |= {"whose": provider.Whose(said["whose"]), "sent": provider.Sent(said["sent"])}
    return provider.ProviderError(said["code"], said["message"], **known)


def folder() -> Path:
    return settings.DATA_DIR / "unsaved-answers"


def path_of(outcome: Outcome) -> Path:
    return folder() / f"{outcome.uuid}-{outcome.attempt}.json"


def write(outcome: Outcome) -> None:
    """Put it on the disk, whole or not at all; raise OSError."""
    path = path_of(outcome)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(outcome.as_json())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def remove(outcome: Outcome) -> None:
    path_of(outcome).unlink(missing_ok=True)


def pending() -> Iterator[Path]:
    """The files of the spool, also those of living workers, which are still trying."""
    return folder().glob("*.json")


def set_aside(path: Path) -> Path:
    """Keep a file that cannot be recorded, for an admin to read; return its new name."""
    return path.rename(path.with_suffix(".failed"))
