"""Fills the default database."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.db import connection

from videos.models import ApiToken, Collection, Generation, Member

from .bulk_load import finish, load, without_indexes
from .history import History, Row, text

MEMBERS, TOKENS, COLLECTIONS = 40, 3, 12
BATCH_SIZE = 20_000
STARRED_SHARE, COLLECTED_SHARE = 20, 50  # one of so many


@dataclass(frozen=True, slots=True)
class Filled:
    """What was made: generations by state, and the seconds it took."""

    states: Counter[str]
    seconds: float


def fill(rows: int, seed: int = 1, *, now: datetime | None = None) -> Filled:
    """Fill the default database, which must not contain generations."""
    started = time.perf_counter()
    rng = random.Random(seed)
    now = (now or datetime.now(UTC)).replace(microsecond=0, tzinfo=None) - timedelta(minutes=5)
    members, tokens, collections = _create_team()
    states: Counter[str] = Counter()
    with without_indexes():
        history = History(rng, rows, now, members, tokens).rows()
        while batch := list(islice(history, BATCH_SIZE)):
            states.update(row["state"] for row in batch)
            submissions = list(_submissions(rng, batch))
            load("videos_submission", ("id", "key", "created_at", "member_id"), submissions)
            load("videos_generation", tuple(batch[0]), [tuple(row.values()) for row in batch])
        _add_stars_and_collections(rng, rows, members, collections, now)
        _add_totals()
    finish()
    return Filled(states, time.perf_counter() - started)


def _create_team() -> tuple[list[int], list[int], list[int]]:
    """Create members, API tokens and collections; return their primary keys."""
    if Generation.objects.exists():
        raise SystemExit("This database already contains generations. Name an empty one.")
    admin = Member.objects.filter(is_superuser=True).first() or Member.objects.create_superuser("ada")
    Member.objects.bulk_create(
        Member(username=f"member{number:02}", first_name=f"Member {number:02}", password="!")
        for number in range(1, MEMBERS)
    )
    members = [admin.pk, *Member.objects.exclude(pk=admin.pk).order_by("pk").values_list("pk", flat=True)]
    tokens = []
    for number in range(TOKENS):
        token = ApiToken(name=f"Account {number + 1}", base_url="http://127.0.0.1:9", max_in_flight=100)
        token.secret = f"sandbox-million-{number}"
        token.save()
        tokens.append(token.pk)
    names = [f"Project {number + 1}" for number in range(COLLECTIONS)]
    return members, tokens, [Collection.objects.create(name=name, created_by=admin).pk for name in names]


def _submissions(rng: random.Random, rows: list[Row]) -> Iterator[tuple[int, str, str, int]]:
    """Yield the submissions whose first take is among these rows."""
    for row in rows:
        if row["take"] == 1:
            yield row["submission_id"], f"{rng.getrandbits(128):032x}", row["created_at"], row["member_id"]


def _add_stars_and_collections(
    rng: random.Random, rows: int, members: list[int], collections: list[int], now: datetime
) -> None:
    def pairs(count: int, keys: list[int]) -> list[tuple[int, int]]:
        return sorted({(1 + int(rng.random() * rows), rng.choice(keys)) for _ in range(count)})

    at = text(now)
    stars = [(*pair, at) for pair in pairs(rows // STARRED_SHARE, members)]
    load("videos_star", ("generation_id", "member_id", "created_at"), stars)
    items = [(*pair, members[0], at) for pair in pairs(rows // COLLECTED_SHARE, collections)]
    load("videos_collectionitem", ("generation_id", "collection_id", "added_by_id", "added_at"), items)


def _add_totals() -> None:
    """Add the sums of the months' budgets, and the tokens' counts of tasks in flight."""
    reserved = "CASE WHEN state IN ('queued', 'processing', 'unconfirmed') THEN amount ELSE 0 END"
    spent = "CASE WHEN state = 'completed' THEN amount ELSE 0 END"
    with connection.cursor() as cursor:
        for member, group in (("member_id", "month, member_id"), ("NULL", "month")):
            cursor.execute(
                "INSERT INTO videos_balance (month, member_id, reserved, spent) "
                f"SELECT month, {member}, SUM({reserved}), SUM({spent}) FROM videos_generation GROUP BY {group}"
            )
        cursor.execute(
            "UPDATE videos_apitoken SET in_flight = (SELECT COUNT(*) FROM videos_generation "
            "WHERE token_id = videos_apitoken.id AND state IN ('submitting', 'processing'))"
        )
