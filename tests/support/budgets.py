"""Prices, limits and reserved amounts for tests."""

from videos.models import ApiToken, Balance, Generation, Pricing
from videos.models.amounts import month_of
from videos.provider import Sent

from .factories import a_generation, a_result, a_token, an_error, failure, running


def terms(**limits) -> Pricing:
    return Pricing.objects.update_or_create(pk=1, defaults=limits)[0]


def balance(member=None) -> tuple[int, int]:
    row = Balance.objects.get(member=member, month=month_of())
    return row.reserved, row.spent


def claimed(**settings) -> Generation:
    if not ApiToken.objects.exists():
        a_token()
    generation = a_generation(**settings)
    assert generation.claim()
    generation.refresh_from_db()
    return generation


LOST = an_error("no_answer", Sent.MAYBE)
REFUSED = an_error("forbidden", Sent.REFUSED, status=403)

ENDS = {
    "waiting": (lambda row, ada: None, (1000, 0)),
    "canceled": (lambda row, ada: row.cancel(ada), (0, 0)),
    "sent": (lambda row, ada: row.claim(), (1000, 0)),
    "refused": (lambda row, ada: (row.claim(), row.refuse(REFUSED)), (0, 0)),
    "running": (lambda row, ada: (row.claim(), row.record(running(), "answer")), (1000, 0)),
    "completed": (lambda row, ada: (row.claim(), row.record(a_result(), "answer")), (0, 1000)),
    "told twice": (
        lambda row, ada: (row.claim(), row.record(a_result(), "answer"), row.record(a_result(), "callback")),
        (0, 1000),
    ),
    "failed": (lambda row, ada: (row.claim(), row.record(failure(), "callback")), (0, 0)),
    "unconfirmed": (lambda row, ada: (row.claim(), row.refuse(LOST)), (1000, 0)),
    "dismissed": (lambda row, ada: (row.claim(), row.refuse(LOST), row.dismiss(ada)), (0, 0)),
    "late after all": (
        lambda row, ada: (row.claim(), row.refuse(LOST), row.dismiss(ada), row.record(a_result(), "callback")),
        (0, 1000),
    ),
    "trashed while it waits": (lambda row, ada: row.trash(ada), (0, 0)),
    "made, then deleted": (
        lambda row, ada: (row.claim(), row.record(a_result(), "answer"), row.trash(ada), row.purge(ada)),
        (0, 1000),
    ),
}  # fmt: skip
