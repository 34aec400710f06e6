"""The outcome of one POST, as JSON too, so that it can be kept outside of the database."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from uuid import UUID

from lumaweb.logs import redact

from .. import provider

_ERROR_FIELDS = ("code", "message", "status", "trace_id", "sent", "retry_after", "task_id")
_RESULT_FIELDS = {field.name for field in fields(provider.Result)} - {"request"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result or an error, and the claim whose POST brought it.

    attempt: the number of the claim, which a later claim of the same row does not have. next_source: with an error, the
    number of the next way to name the source; 0 for none.
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
        content = f"task id {self.task_id}" if self.task_id else str(self.error or "no task id")
        return f"generation {self.uuid}: {content}"

    def as_json(self) -> str:
        """Serialise it, without tokens, callback URLs and the request."""
        document: dict[str, Any] = {"uuid": str(self.uuid), "attempt": self.attempt, "next_source": self.next_source}
        if self.result:
            # The result repeats the request with the callback's address, and an error's message may quote it.
            message = redact(self.result.error_message)
            document["result"] = asdict(replace(self.result, request=None, error_message=message))
        if self.error:
            document["error"] = {name: getattr(self.error, name) for name in _ERROR_FIELDS}
            # `whose` is for the previous release, whose worker may read it during an upgrade.
            document["error"] |= {"message": redact(self.error.message), "whose": "nobody"}
        return json.dumps(document, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        """Parse it; raise ValueError if the text is not an outcome."""
        try:
            document = json.loads(text)
            result, error = document.get("result"), document.get("error")
            return cls(
                uuid=UUID(document["uuid"]),
                attempt=int(document["attempt"]),
                next_source=int(document["next_source"]),
                result=_parse_result(result) if result else None,
                error=_parse_error(error) if error else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This is not an outcome: {error!r}") from error


# Fields that are not known are ignored: another version may have written them.


def _parse_result(fields: dict[str, Any]) -> provider.Result:
    known = {name: value for name, value in fields.items() if name in _RESULT_FIELDS}
    return provider.Result(**known | {"status": provider.Status(fields["status"])})


def _parse_error(fields: dict[str, Any]) -> provider.ProviderError:
    known = {name: value for name, value in fields.items() if name in _ERROR_FIELDS}
    return provider.ProviderError(**known | {"sent": provider.Sent(fields["sent"])})
