"""Fill an empty, migrated database with as many generations as a studio of hundreds makes in two years.

    .venv/bin/python -m tests.million 1000000 [SEED]

fills the one that LUMAWEB_DATA_DIR or DATABASE_URL names; `build(rows, seed)` does the same from a program that has
set Django up, and answers what was made and how long it took. A million rows take little more than a minute, with the
index for the search.

There are 40 members (the first is the admin `ada`; some make far more than others), 3 API tokens, submissions of one to
four takes, extensions, failures of many kinds, what was canceled, thrown away and deleted for good; a few are still in
the making. Days spread over two years up to now, more of them lately, by day more than by night, and nothing was
changed in the last five minutes. Saved files are named, but there are none. Stars, picks and collections are some.
Stories (events) are left out: no list reads them. The same seed makes the same rows, beside the moments, which end now.

FREQUENT is in every fifth prompt, RARE in one of 50,000 (three at least), ABSENT in none.
"""

# ruff: noqa: SIM905 (lists of words are easier to read as words)
import random
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice

FREQUENT, RARE, ABSENT = "harbour", "quicksilver", "xylograph"

MEMBERS, TOKENS, COLLECTIONS = 40, 3, 12
DAYS = 730
BATCH = 20_000
OPEN_AT_MOST = 60

LOOKS = (
    "slow dolly in|handheld|tracking shot|long lens|macro|wide angle|aerial view|static frame|whip pan|crane shot|"
    "over the shoulder|low angle|top down|shallow focus|time lapse|slow motion|one take|steadicam"
).split("|")
LIGHTS = (
    "at dawn|at dusk|in the blue hour|under neon|in hard noon light|by candlelight|in thick fog|after the rain|"
    "in falling snow|under a full moon|backlit|in golden light|in a sandstorm|in soft window light"
).split("|")
WHO = (
    "astronauts|a fox|two dancers|an old fisherman|a paper boat|a glass whale|children|a heron|a red bicycle|"
    "a lighthouse keeper|wild horses|a tin robot|a swarm of bees|the orchestra|a lone cyclist|a street cat|"
    "a mountain guide|the last tram|a tailor|a flock of cranes|a diver|a clockmaker|a violinist|the baker|"
    "سفينة شراعية|雪山下的湖泊|un zorro rojo|ein Zeppelin"
).split("|")
DOES = (
    "crossing|waiting beside|flying over|sinking into|walking through|painting|remembering|chasing|leaving|guarding|"
    "drifting past|climbing out of|racing towards|building|hiding in|returning to"
).split("|")
WHERE = (
    "fresh snow|a night market|the volcano|an empty station|a field of poppies|the frozen lake|a tide of ink|"
    "the old bridge|a city of towers|the desert highway|a flooded hall|the orchard|a roof garden|the salt flats|"
    "a narrow alley|the observatory|an endless library|the greenhouse|a quiet kitchen|the carousel"
).split("|")

# State, error code, and how many of 10,000 rows.
FATES = (
    ("completed", "", 9050),
    ("failed", "forbidden", 320),
    ("failed", "api_error", 210),
    ("failed", "timeout", 90),
    ("failed", "overdue", 25),
    ("failed", "bad_request", 45),
    ("failed", "dismissed", 30),
    ("failed", "too_late", 10),
    ("failed", "source_gone", 10),
    ("canceled", "", 190),
    ("unconfirmed", "no_answer", 20),
)
FILMS = (("16:9", 1360, 752), ("16:9", 1360, 752), ("9:16", 752, 1360), ("1:1", 1024, 1024), ("21:9", 1552, 656))

VARIED = (
    "id uuid submission_id take takes member_id token_id parent_id depth action prompt search_text aspect_ratio shape "
    "state error_code error_message version created_at changed_at not_before submitted_at accepted_at finished_at "
    "attempts via task_id video_id video_url thumbnail_url video_width video_height result_state archive video_file "
    "thumbnail_file poster_file sha256 size_bytes duration choice amount month claimed_on fingerprint trashed_at "
    "trashed_by_id purged_at"
).split()


def build(rows: int, seed: int = 1, *, now: datetime | None = None) -> dict:
    """Fill the default database, which must hold no generation yet; counts by state, and seconds."""
    from django.db import connection

    started = time.perf_counter()
    chance = random.Random(seed)
    now = (now or datetime.now(UTC)).replace(microsecond=0, tzinfo=None) - timedelta(minutes=5)
    people, tokens, shelves = _people(chance)
    spread = _Spread(chance, rows, now)
    told: Counter = Counter()
    with _without_indexes(connection):
        load = _copy if connection.vendor == "postgresql" else _insert
        lines = _lines(chance, rows, spread, people, tokens, told)
        submissions: list[tuple] = []
        while batch := list(islice(lines, BATCH)):
            submissions.clear()
            seen = 0
            for row in batch:
                # The takes of a submission follow one another.
                if row[3] == 1 and row[2] != seen:
                    submissions.append((row[2], f"{chance.getrandbits(128):032x}", row[18], row[5]))
                    seen = row[2]
            load(connection, "videos_submission", ("id", "key", "created_at", "member_id"), submissions)
            load(connection, "videos_generation", VARIED, batch)
        _shelve(chance, connection, load, rows, people, shelves, now)
    _settle(connection)
    return {"rows": rows, "states": dict(told), "seconds": time.perf_counter() - started}


def _people(chance: random.Random) -> tuple[list[int], list[int], list[int]]:
    from videos.models import ApiToken, Collection, Generation, Member

    if Generation.objects.exists():
        raise SystemExit("This database holds generations already. Name an empty one.")
    ada = Member.objects.filter(is_superuser=True).first() or Member.objects.create_superuser("ada")
    Member.objects.bulk_create(
        Member(username=f"member{number:02}", first_name=f"Member {number:02}", password="!")
        for number in range(1, MEMBERS)
    )
    people = [ada.pk, *Member.objects.exclude(pk=ada.pk).order_by("pk").values_list("pk", flat=True)]
    tokens = []
    for number in range(TOKENS):
        token = ApiToken(name=f"Account {number + 1}", base_url="http://127.0.0.1:9", max_in_flight=100)
        token.secret = f"sandbox-million-{number}"
        token.save()
        tokens.append(token.pk)
    shelves = [Collection.objects.create(name=f"Project {n + 1}", created_by=ada).pk for n in range(COLLECTIONS)]
    return people, tokens, shelves


class _Spread:
    """When each row was asked for, in order: more lately, and by day more than by night."""

    def __init__(self, chance: random.Random, rows: int, now: datetime) -> None:
        hours = list(accumulate((1, 1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 10, 12, 14, 14, 13, 11, 8, 6, 5, 4, 3, 2)))
        first = now - timedelta(days=DAYS)
        moments = []
        for _ in range(rows):
            day = first + timedelta(days=int(DAYS * chance.random() ** 0.75))
            at = day.replace(hour=bisect(hours, chance.random() * hours[-1]), minute=0, second=0)
            at += timedelta(seconds=round(chance.random() * 3600, 3))
            moments.append(at if first < at < now else now - timedelta(seconds=round(chance.random() * 86400, 3)))
        self.moments = sorted(moments)
        self.now = now


def _lines(chance, rows: int, spread: _Spread, people, tokens, told: Counter) -> Iterator[tuple]:
    """The generations, column by column as VARIED names them, moments as texts in UTC."""
    draw, number_of, any_of = chance.random, chance.getrandbits, chance.choices
    weights = list(accumulate(12 / (place + 3) for place in range(len(people))))
    fates = list(accumulate(share for _, _, share in FATES))
    rare = {rows * (2 * part + 1) // (2 * max(3, rows // 50_000)) for part in range(max(3, rows // 50_000))}
    moments, now = spread.moments, spread.now
    text, later = _text, timedelta
    finished: list[tuple] = []  # some finished videos, for whoever extends one
    open_from = rows - min(OPEN_AT_MOST, rows // 20)
    submission, takes, take = 0, 1, 1
    member = prompt = folded = action = parent = shape = None
    for place in range(rows):
        pk, at = place + 1, moments[place]
        if take >= takes or place == 0:
            submission, take = submission + 1, 1
            takes = min((1, 1, 1, 2, 2, 4)[int(draw() * 6)], rows - place)
            member = people[bisect(weights, draw() * weights[-1])]
            action = "extend" if finished and draw() < 0.1 else "generate"
            parent = finished[int(draw() * len(finished))] if action == "extend" else None
            prompt = _prompt(chance)
            shape = any_of(FILMS)[0] if parent is None else parent[2]
        else:
            # One press of the button: the takes of it are as old as one another.
            take, at = take + 1, moments[place - take]
        said = f"{prompt}, {RARE} veins" if place in rare else prompt
        folded = said.casefold()
        fate, code, _ = FATES[bisect(fates, draw() * fates[-1])]
        if place >= open_from:
            fate, code = ("queued", "") if draw() < 0.4 else ("processing", "")
        told[fate] += 1
        sent = fate not in ("canceled", "queued") and code != "too_late"
        done = fate in ("completed", "failed", "canceled")
        accepted = at + later(seconds=round(1 + 3 * draw(), 3)) if sent else None
        # Most take one to two minutes, a few much longer.
        span = 55 + 70 * draw() if draw() < 0.93 else 130 + 700 * draw()
        ended = at + later(seconds=round(span if sent else 20 * draw() + 1, 3)) if done else None
        changed = min((ended or accepted or at) + later(seconds=4), now)
        trashed = purged = None
        if done and draw() < 0.03:
            trashed = min(changed + later(days=20 * draw()), now)
            changed = trashed
            if now - trashed > later(days=29):
                purged = changed = min(trashed + later(days=30), now)
        ready, gone = fate == "completed", purged is not None
        kept = ready and not gone
        name = f"{number_of(128):032x}"
        film = f"videos/{name[:2]}/{name}"
        task = (
            f"{name[:8]}-{name[8:12]}-4{name[13:16]}-a{name[17:20]}-{name[20:]}" if sent and code != "no_answer" else ""
        )
        choice = ""
        if kept and draw() < 0.05:
            choice = "picked" if draw() < 0.7 else "rejected"
        amount = (1000 if action == "generate" else 1500) * (1 if place < rows * 0.6 else 2)
        yield (
            pk, name, submission, take, takes, member,
            tokens[int(draw() * draw() * len(tokens))] if sent else None,
            parent[0] if parent else None, parent[1] + 1 if parent else 0, action,
            "" if gone else said, "" if gone else folded, shape[0], shape[0],
            fate, code, f"The provider said {code}." if code and not gone else "",
            5 if ready else 3, text(at), text(changed), text(at), text(accepted), text(accepted), text(ended),
            int(sent), "callback" if ready else "", task,
            f"film-{name}" if ready else "",
            f"https://platform.cdn.acedata.cloud/luma/{name}.mp4" if kept else "",
            f"https://platform.cdn.acedata.cloud/luma/{name}.jpg" if kept else "",
            shape[1] if ready else None, shape[2] if ready else None, "completed" if ready else "",
            "saved" if kept else "", f"{film}.mp4" if kept else "", f"{film}.jpg" if kept else "",
            f"{film}-poster.webp" if kept else "", f"{number_of(256):064x}" if ready else "",
            int(2e6 + 6e6 * draw()) if ready else None, 5.0 if ready else None, choice,
            amount, f"{at:%Y-%m}-01", text(at)[:10] if sent else None,
            "" if gone else f"{number_of(256):064x}", text(trashed), member if trashed else None, text(purged),
        )  # fmt: skip
        if kept and trashed is None and draw() < 0.02:
            finished.append((pk, parent[1] + 1 if parent else 0, shape))
            if len(finished) > 400:
                del finished[:200]


def _text(at: datetime | None) -> str | None:
    return at.isoformat(" ") if at else None


def _prompt(chance: random.Random) -> str:
    def one(words):
        return words[int(chance.random() * len(words))]

    place = FREQUENT if chance.random() < 0.2 else one(WHERE)
    said = f"{one(WHO)} {one(DOES)} {place} {one(LIGHTS)}, {one(LOOKS)}"
    return said[0].upper() + said[1:]


def _shelve(chance, connection, load, rows: int, people, shelves, now: datetime) -> None:
    """Stars, collections, and the sums of the months' budgets."""
    at = _text(now)
    marks = sorted({(1 + int(chance.random() * rows), chance.choice(people)) for _ in range(rows // 20)})
    load(connection, "videos_star", ("generation_id", "member_id", "created_at"), [(*mark, at) for mark in marks])
    places = sorted({(1 + int(chance.random() * rows), chance.choice(shelves)) for _ in range(rows // 50)})
    items = [(*place, people[0], at) for place in places]
    load(connection, "videos_collectionitem", ("generation_id", "collection_id", "added_by_id", "added_at"), items)
    held = "CASE WHEN state IN ('queued', 'processing', 'unconfirmed') THEN amount ELSE 0 END"
    spent = "CASE WHEN state = 'completed' THEN amount ELSE 0 END"
    with connection.cursor() as cursor:
        for owner, group in (("member_id", "month, member_id"), ("NULL", "month")):
            cursor.execute(
                "INSERT INTO videos_balance (month, member_id, reserved, spent) "
                f"SELECT month, {owner}, SUM({held}), SUM({spent}) FROM videos_generation GROUP BY {group}"
            )
        cursor.execute(
            "UPDATE videos_apitoken SET in_flight = (SELECT COUNT(*) FROM videos_generation "
            "WHERE token_id = videos_apitoken.id AND state IN ('submitting', 'processing'))"
        )


# ── How the rows get in ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _without_indexes(connection) -> Iterator[None]:
    """A transaction in which the table's indexes and SQLite's triggers are away; they are made anew at its end."""
    from django.db import transaction

    from videos.models import Generation
    from videos.models.search import TRIGGERS, create_search_triggers

    sqlite, indexes = connection.vendor == "sqlite", Generation._meta.indexes
    with connection.cursor() as cursor:
        for setting in (
            ("PRAGMA cache_size = -400000", "PRAGMA synchronous = OFF")
            if sqlite
            else ("SET maintenance_work_mem = '1GB'", "SET synchronous_commit = off")
        ):
            cursor.execute(setting)
        with transaction.atomic():
            for name in TRIGGERS if sqlite else ():
                cursor.execute(f"DROP TRIGGER {name}")
            for name in [index.name for index in indexes] + ([] if sqlite else ["videos_generation_search"]):
                cursor.execute(f"DROP INDEX {name}")
            yield
            if not sqlite:
                # No index is made on a table with checks still to be done.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            editor = connection.schema_editor(collect_sql=True)
            for index in indexes:
                cursor.execute(str(index.create_sql(Generation, editor)))
            if sqlite:
                cursor.execute("INSERT INTO videos_search(videos_search) VALUES ('rebuild')")
                create_search_triggers()
            else:
                cursor.execute(
                    "CREATE INDEX videos_generation_search ON videos_generation USING gin (search_text gin_trgm_ops)"
                )


def _insert(connection, table: str, names: Iterable[str], rows: list[tuple]) -> None:
    columns, values = _constants(connection, table, names)
    sql = f"INSERT INTO {table} ({columns}) VALUES ({', '.join([*('?' for _ in names), *values])})"
    connection.connection.executemany(sql, rows)


def _copy(connection, table: str, names: Iterable[str], rows: list[tuple]) -> None:
    columns, values = _constants(connection, table, names)
    rest = "".join(f"\t{value}" for value in values) + "\n"
    with connection.cursor() as cursor, cursor.cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        text = [
            "\t".join(["\\N" if value is None else value if type(value) is str else str(value) for value in row])
            for row in rows
        ]
        copy.write(rest.join([*text, ""]))


def _constants(connection, table: str, names: Iterable[str]) -> tuple[str, list[str]]:
    """All columns' names, those of `names` first, and what the others hold: the defaults, as text of SQL or COPY."""
    from django.apps import apps

    model = next(model for model in apps.get_models() if model._meta.db_table == table)
    rest = [field for field in model._meta.concrete_fields if field.column not in names and not field.primary_key]
    sqlite = connection.vendor == "sqlite"
    values = []
    for field in rest:
        value = None if field.null else field.get_default()
        if sqlite:
            values.append("NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(int(value)))
        else:
            values.append("\\N" if value is None else str(value))
    return ", ".join([*names, *(field.column for field in rest)]), values


def _settle(connection) -> None:
    """What time does to a living database: its sequences go on behind the rows, and PostgreSQL knows its tables."""
    from django.core.management.color import no_style

    from videos.models import Balance, CollectionItem, Generation, Star, Submission

    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(
            no_style(), [Balance, CollectionItem, Generation, Star, Submission]
        ):
            cursor.execute(sql)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def main() -> None:
    import django

    django.setup()
    rows, seed = (int(word) for word in [*sys.argv[1:], "1"][:2])
    made = build(rows, seed)
    print(f"{made['rows']} generations in {made['seconds']:.1f} s: {made['states']}")


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")
    main()
