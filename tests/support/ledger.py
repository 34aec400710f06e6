"""Compute the ledger from the rows, to compare it with the stored sums."""

from collections import Counter

from videos.models import ApiToken, Balance, Generation

HELD = {"queued", "submitting", "processing", "unconfirmed"}
SENT = {"submitting", "processing", "unconfirmed", "completed"}


def counted() -> tuple[dict, dict, dict]:
    """Return the amounts reserved, spent, and simulated among the spent, by (month, member); None is the team."""
    held, spent, simulated = Counter(), Counter(), Counter()
    for row in Generation.objects.exclude(amount=0).select_related("token"):
        for owner in (None, row.member_id):
            if row.state in HELD:
                held[row.month, owner] += row.amount
            elif row.state == "completed":
                spent[row.month, owner] += row.amount
                simulated[row.month, owner] += row.amount if row.is_simulated else 0
    return dict(held), dict(spent), dict(+simulated)


def kept() -> tuple[dict, dict, dict]:
    rows = [((row.month, row.member_id), row) for row in Balance.objects.all()]
    held = {key: row.reserved for key, row in rows if row.reserved}
    spent = {key: row.spent for key, row in rows if row.spent}
    return held, spent, {key: row.simulated for key, row in rows if row.simulated}


def sums_are_those_of_the_rows() -> None:
    assert kept() == counted()
    for token in ApiToken.objects.exclude(day=None):
        rows = [row for row in token.generations.all() if row.claimed_on == token.day and row.state in SENT]
        assert token.day_used == sum(row.amount for row in rows)
