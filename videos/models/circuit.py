"""When and how fast to send with a token: a circuit breaker, a slow start and an adaptive concurrency limit.

Each answer of the provider becomes conditional UPDATEs of the token's row, so that any number of workers on any number
of machines agree. A clear answer is an acceptance or an unambiguous refusal.
"""

import random
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce, Greatest, Least
from django.utils import timezone

from lumaweb.logs import redact

# Concurrent POSTs without, and with, a clear answer in the last minute. While it is fresh, each answer doubles them.
COLD, WARM = 2, 3
CLEAR_FOR = timedelta(seconds=60)
FRESH_FOR = timedelta(seconds=2)
RAMP_AT_MOST = 10_000
# After this long without a claim, send one more even if no POST has been answered: their worker may be dead.
STALLED_AFTER = timedelta(seconds=12)
# Seconds.
PAUSE_AT_MOST = 3600.0
BACK_OFF, BACK_OFF_AT_MOST = 2.0, 60.0
# Longer than a short outage, so that no request is wasted during it.
AFTER_DOUBT = 15.0
AFTER_REFUSALS = 300.0

DOUBTS = 2  # ambiguous answers in a row that pause a token
REFUSALS = 3  # rows in a row, refused without a known reason, that pause it
LIMIT_GROWS_EVERY = timedelta(seconds=15)  # by half, and at least by one: reaching the limit costs only a 429


class Health(models.TextChoices):
    OK = "ok", "OK"
    LIMITED = "limited", "Limited for now"
    USED_UP = "used_up", "Used up"
    INVALID = "invalid", "Not valid"


class Probe(models.TextChoices):
    """What must succeed before a paused token is used in full again."""

    NONE = "", "nothing"
    LOOK_UP = "look_up", "a look-up, then one request"
    REQUEST = "request", "one request"


# The values of a token without any history of answers, which an admin's action restores.
AS_NEW = {
    "health": Health.OK,
    "limited_until": None,
    "last_error": "",
    "probe": Probe.NONE,
    "pauses": 0,
    "doubts": 0,
    "refusals": 0,
    "refused_row": None,
}


def has_recovered(now: datetime) -> Q:
    """Match tokens whose pause is over. An end beyond the longest pause was written by a wrong clock."""
    ended = Q(limited_until=None) | Q(limited_until__lte=now)
    return Q(health=Health.LIMITED) & (ended | Q(limited_until__gt=now + timedelta(seconds=PAUSE_AT_MOST + 60)))


def at_once(now: datetime) -> Case:
    """Compute how many concurrent POSTs a token may have at this moment."""
    known = Q(clear_at__lte=now + CLEAR_FOR)  # and not in the future, by a wrong clock
    return Case(
        When(health=Health.LIMITED, probe=Probe.REQUEST, then=Value(1)),
        # The next answer decides; until then risk no further request.
        When(doubts__gt=0, then=Value(1)),
        When(known & Q(clear_at__gt=now - FRESH_FOR), then=F("ramp")),
        When(known & Q(clear_at__gt=now - CLEAR_FOR), then=Value(WARM)),
        default=Value(COLD),
        output_field=models.PositiveIntegerField(),
    )


def has_stalled(now: datetime) -> Q:
    """Match healthy tokens that have not been used for a while, whatever their count of open POSTs."""
    return Q(health=Health.OK, doubts=0, last_used_at__lte=now - STALLED_AFTER)


def clock_time(moment: datetime, now: datetime) -> str:
    """Name a moment in the team's time: with seconds when it is near, with its day when that is not today."""
    moment, now = timezone.localtime(moment), timezone.localtime(now)
    if moment.date() != now.date():
        return f"{moment:%a %-d %b, %H:%M}"
    return f"{moment:%H:%M:%S}" if moment - now < timedelta(minutes=2) else f"{moment:%H:%M}"


class Circuit(models.Model):
    """What a token's recent answers allow; every change is one conditional UPDATE."""

    max_in_flight: models.PositiveIntegerField
    last_used_at: models.DateTimeField
    in_flight = models.PositiveIntegerField(default=0, editable=False)
    sending = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="POSTs without an answer yet."
    )
    health = models.CharField(max_length=10, choices=Health, default=Health.OK, editable=False)
    limited_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    probe = models.CharField(max_length=8, choices=Probe, default=Probe.NONE, db_default="", blank=True, editable=False)
    pauses = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Pauses in a row; each is twice as long as the one before."
    )
    doubts = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Ambiguous answers in a row."
    )
    refusals = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Videos in a row that were refused without a known reason."
    )
    refused_row = models.BigIntegerField(null=True, editable=False)
    clear_at = models.DateTimeField(null=True, editable=False, help_text="When the latest clear answer came.")
    accepted_at = models.DateTimeField(null=True, editable=False, help_text="When the latest request was accepted.")
    ramp = models.PositiveIntegerField(
        default=COLD, db_default=COLD, editable=False, help_text="Concurrent POSTs while clear answers are fresh."
    )
    effective_limit = models.PositiveIntegerField(
        null=True, editable=False, help_text="Concurrent videos that the provider allows, as far as is known."
    )
    limit_changed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @property
    def limit(self) -> int:
        """The number of videos that may be in progress with it now."""
        return min(self.max_in_flight, self.effective_limit or self.max_in_flight)

    def is_backing_off(self, now: datetime) -> bool:
        """Whether it is paused at this moment."""
        until = self.limited_until
        longest = now + timedelta(seconds=PAUSE_AT_MOST + 60)
        return self.health == Health.LIMITED and until is not None and now < until <= longest

    def awaits_look_up(self, now: datetime) -> bool:
        """Whether its pause is over, and a look-up, which is free, must succeed before the next request."""
        return self.health == Health.LIMITED and self.probe == Probe.LOOK_UP and not self.is_backing_off(now)

    @property
    def is_suspect(self) -> bool:
        """Whether the provider refused several videos in a row without a known reason, so that an admin should look."""
        return self.refusals >= REFUSALS

    def posts_at_once(self, now: datetime) -> int:
        """How many concurrent POSTs it may have; `at_once` is the same for the database."""
        if (self.health == Health.LIMITED and self.probe == Probe.REQUEST) or self.doubts:
            return 1
        if self.clear_at is None or self.clear_at > now + CLEAR_FOR or self.clear_at <= now - CLEAR_FOR:
            return COLD
        return self.ramp if self.clear_at > now - FRESH_FOR else WARM

    def may_post(self, now: datetime) -> bool:
        """Whether it may send one more POST; `at_once` and `has_stalled` are the same for the database."""
        used_at = self.last_used_at
        stalled = self.health == Health.OK and not self.doubts and used_at and used_at <= now - STALLED_AFTER
        return self.sending < self.posts_at_once(now) or bool(stalled)

    # ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────

    def record_clear_answer(self, *, accepted: bool) -> None:
        """Allow more concurrent POSTs after a clear answer, and clear a pause that is over."""
        now = timezone.now()
        lately = Q(clear_at__gt=now - CLEAR_FOR, clear_at__lte=now + CLEAR_FOR)
        grown = Case(When(lately, then=F("ramp") * 2), default=Value(COLD * 2))
        facts: dict[str, Any] = {"clear_at": now, "ramp": Least(grown, RAMP_AT_MOST), "doubts": 0, "refusals": 0}
        if accepted:
            facts["accepted_at"] = now
        self._row.update(**facts, refused_row=None)
        self._row.filter(has_recovered(now)).exclude(probe=Probe.LOOK_UP).update(**AS_NEW)
        if accepted and self.effective_limit is not None:
            steady = Q(limit_changed_at__lt=now - LIMIT_GROWS_EVERY) | Q(limit_changed_at__gt=now + LIMIT_GROWS_EVERY)
            grown_limit = F("effective_limit") + Greatest(F("effective_limit") / 2, Value(1))
            self._row.filter(steady, effective_limit__isnull=False).update(
                effective_limit=Case(When(max_in_flight__lte=grown_limit, then=Value(None)), default=grown_limit),
                limit_changed_at=now,
            )

    def back_off(self, reason: str, *, seconds: float | None = None) -> datetime:
        """Pause for `seconds`, or up to a minute and longer each time in a row; return the end of the pause."""
        return self._pause(reason, Probe.REQUEST, seconds, BACK_OFF, BACK_OFF_AT_MOST)

    def reduce_concurrency(self, reason: str, *, seconds: float | None = None) -> datetime:
        """Pause after a 429, and lower the number of concurrent videos; return the end of the pause.

        Call it while the refused row still counts as in flight: the others are what the provider allows. If it is the
        only one, it was refused for its rate.
        """
        allowed = Least(F("in_flight"), F("max_in_flight"), Coalesce(F("effective_limit"), F("max_in_flight"))) - 1
        now = timezone.now()
        self._row.filter(in_flight__gt=1).update(effective_limit=Greatest(allowed, 1), limit_changed_at=now)
        self._row.update(doubts=0, ramp=COLD)
        return self._pause(reason, Probe.REQUEST, seconds, BACK_OFF, BACK_OFF_AT_MOST)

    def record_ambiguous_answer(self, reason: str, *, at_once: bool = False, seconds: float | None = None) -> None:
        """Count an ambiguous answer; pause after the second in a row, `at_once`, or during a probe."""
        self._row.update(doubts=F("doubts") + 1)
        enough = Q(doubts__gte=DOUBTS) | Q(health=Health.LIMITED, probe=Probe.REQUEST)
        if at_once or self._row.filter(enough).exists():
            self._pause(reason, Probe.LOOK_UP, seconds, AFTER_DOUBT, PAUSE_AT_MOST)

    def record_unexplained_refusal(self, row: int, reason: str) -> None:
        """Count a refusal without a known reason; pause after the third video in a row. row: its primary key."""
        another = Case(When(refused_row=row, then=F("refusals")), default=F("refusals") + 1)
        self._row.update(refusals=another, refused_row=row, doubts=0)
        if self._row.filter(refusals__gte=REFUSALS).exists():
            self._pause(reason, Probe.REQUEST, None, AFTER_REFUSALS, PAUSE_AT_MOST)

    def begin_probe(self, seconds: float) -> bool:
        """Lease the look-up that must precede the next request; return False while another process has it."""
        now = timezone.now()
        due = self._row.filter(has_recovered(now), probe=Probe.LOOK_UP)
        return bool(due.update(limited_until=now + timedelta(seconds=seconds)))

    def record_look_up_answered(self) -> bool:
        """Allow one request after a successful look-up; return False if none was awaited."""
        waiting = self._row.filter(health=Health.LIMITED, probe=Probe.LOOK_UP)
        return bool(waiting.update(probe=Probe.REQUEST, limited_until=timezone.now()))

    def record_look_up_failed(self, reason: str, *, seconds: float | None = None) -> None:
        """Double the pause, as not even a look-up was answered."""
        self._row.filter(probe=Probe.LOOK_UP).update(limited_until=timezone.now())
        self._pause(reason, Probe.LOOK_UP, seconds, AFTER_DOUBT, PAUSE_AT_MOST)

    @property
    def _row(self) -> "models.QuerySet[Circuit]":
        return type(self)._default_manager.filter(pk=self.pk)

    def _pause(self, reason: str, probe: Probe, seconds: float | None, first: float, at_most: float) -> datetime:
        """Send nothing new for a while, and return until when; never shorten a pause.

        Without `seconds`, it is twice as long as the one before. All answers of one burst count as one pause.
        """
        now = timezone.now()
        with transaction.atomic():
            usable = self._row.filter(health__in=[Health.OK, Health.LIMITED])
            usable.filter(Q(health=Health.OK) | has_recovered(now)).update(
                pauses=F("pauses") + 1, health=Health.LIMITED, limited_until=now, last_error=redact(reason)[:300]
            )
            pauses, until = self._row.values_list("pauses", "limited_until").get()
            if seconds is None:
                seconds = min(first * 2 ** min(pauses - 1, 12), at_most) * random.uniform(0.8, 1)
            until = max(until or now, now + timedelta(seconds=min(seconds, PAUSE_AT_MOST)))
            usable.filter(Q(limited_until=None) | Q(limited_until__lt=until)).update(
                limited_until=until, last_error=redact(reason)[:300]
            )
            stronger = Q() if probe == Probe.LOOK_UP else Q(probe=Probe.NONE)
            usable.filter(stronger).update(probe=probe)
        return until
