"""Compute the ledger from the rows, to compare it with the stored sums."""

from collections import Counter

from videos.models import ApiToken, Balance, Generation

HELD = {"queued", "submitting", "processing", "unconfirmed"}
SENT = {"submitting", "processing", "unconfirmed", "completed"}


def counted() -> tuple[dict, dict]:
    """Return reserved and spent amounts by (month, member); the member is None for the team."""
    held, spent = Counter(), Counter()
    for row in Generation.objects.exclude(amount=0):
        for owner in (None, row.member_id):
            if row.state in HELD:
                held[row.month, owner] += row.amount
            elif row.state == "completed":
                spent[row.month, owner] += row.amount
    return dict(held), dict(spent)


def kept() -> tuple[dict, dict]:
    rows = [((row.month, row.member_id), row) for row in Balance.objects.all()]
    held = {key: row.reserved for key, row in rows if row.reserved}
    return held, {key: row.spent for key, row in rows if row.spent}


def sums_are_those_of_the_rows() -> None:
    assert kept() == counted()
    for token in ApiToken.objects.exclude(day=None):
        rows = [row for row in token.generations.all() if row.claimed_on == token.day and row.state in SENT]
        assert token.day_used == sum(row.amount for row in rows)
