"""The usage page and its CSV."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from ..forms import RangeForm, presets
from ..models import Allowance, ApiToken, Member, Pricing
from ..models.amounts import CREDIT, shown
from ..reports import plots, usage
from ..reports.periods import DateRange
from .csv_files import csv_response
from .requests import MemberRequest

PREPOSITIONS = {"day": "on", "week": "in the week of", "month": "in", "quarter": "in"}
STATE_NAMES = {
    "ready": "Ready",
    "failed": "Failed",
    "open": "In progress",
    "unconfirmed": "Unconfirmed",
    "canceled": "Canceled",
}

NOT_SENT = "Not sent"

Key = TypeVar("Key", bound=Hashable)


def _member_names() -> dict[int, str]:
    """Return each member's name by primary key, with the username where two members share a name."""
    members = {member.pk: member for member in Member.objects.all()}
    names = {pk: member.get_full_name() or member.username for pk, member in members.items()}
    counts = Counter(names.values())
    return {pk: name if counts[name] == 1 else f"{name} ({members[pk].username})" for pk, name in names.items()}


def _token_names(request: MemberRequest) -> dict[int, str] | None:
    """Return the names of the API tokens by primary key; None for members, who must not see them."""
    return dict(ApiToken.objects.values_list("pk", "name")) if request.user.is_superuser else None


@require_GET
def usage_page(request: MemberRequest) -> HttpResponse:
    """Show how many videos were made, by whom, at what cost, how fast, and which failed."""
    form = RangeForm(request.GET)
    within = form.range
    report = usage.report(within)
    allowance = Allowance.of(request.user)
    tokens = _token_names(request)
    total, times = report.total, report.times
    periods = _Periods.of(within, report.days)
    context = {
        "form": form,
        "within": within,
        "presets": [(name, preset, preset == within) for name, preset in presets().items()],
        "total": total,
        "pricing": allowance.pricing,
        "spent": allowance.pricing.amount(total.spent),
        "reserved": allowance.pricing.amount(total.reserved) if total.reserved else "",
        "simulated": allowance.pricing.amount(total.simulated_amount) if total.simulated_amount else "",
        "left": None if allowance.left is None else allowance.pricing.amount(allowance.left),
        "whose": allowance.whose,
        "times": times,
        "median": _duration(times.median) if times else "",
        "p95": _duration(times.p95) if times else "",
        "success": _success_percent(total),
        "max_timed": usage.MAX_TIMED,
        "failures": report.failures,
        "periods": periods,
        "videos_summary": _videos_summary(within, periods, total),
        "credits_summary": _credits_summary(within, periods, total, allowance.pricing),
        "members": _groups(report.members, _member_names()),
        "tokens": None if tokens is None else _groups(report.tokens, {**tokens, None: NOT_SENT}),
        "states": _states(total),
        "csv": f"{reverse('usage-csv')}?since={within.since:%Y-%m-%d}&until={within.until:%Y-%m-%d}",
    }
    return render(request, "usage/usage.html", context, status=200 if form.is_valid() else 422)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _success_percent(total: usage.Sums) -> int | None:
    """Return the success rate in whole percent, 100 only if nothing failed; None without any result."""
    if total.success is None:
        return None
    return min(round(100 * total.success), 99) if total.failed else 100


@dataclass(frozen=True, slots=True)
class _Periods:
    """The sums of each period of a range, by name."""

    names: list[str]
    sums: list[usage.Sums]
    step: str

    @classmethod
    def of(cls, within: DateRange, days: Mapping[date, usage.Sums]) -> "_Periods":
        sums = usage.merge_sums(days, within.period_of)
        names = [_period_name(within, period) for period in within.periods]
        return cls(names, [sums.get(period) or usage.Sums() for period in within.periods], within.step)

    @property
    def table(self) -> list[tuple[str, usage.Sums, str, str]]:
        rows = zip(self.names, self.sums, strict=True)
        return [(name, sums, shown(sums.amount), shown(sums.simulated_amount)) for name, sums in rows]

    @property
    def videos_plot(self) -> plots.Plot:
        stacks = [{"ready": sums.ready, "failed": sums.failed, "other": sums.others} for sums in self.sums]
        return plots.stacked_bars(self.names, stacks)

    @property
    def credits_plot(self) -> plots.Plot:
        stacks = [
            {
                "ready": sums.spent / CREDIT,
                "other": sums.reserved / CREDIT,
                "simulated": sums.simulated_amount / CREDIT,
            }
            for sums in self.sums
        ]
        return plots.stacked_bars(self.names, stacks, integer=False)

    def peak(self, amount: Callable[[usage.Sums], int]) -> tuple[str, usage.Sums]:
        """Return the period with the highest amount, in words, and its sums; of equal ones the latest."""
        index = max(range(len(self.sums)), key=lambda index: (amount(self.sums[index]), index))
        return f"{PREPOSITIONS[self.step]} {self.names[index]}", self.sums[index]


def _videos_summary(within: DateRange, periods: _Periods, total: usage.Sums) -> str:
    """Return the plot of videos in words, for screen readers."""
    when, peak = periods.peak(lambda sums: sums.requested)
    return (
        f"{total.requested:,} video{'' if total.requested == 1 else 's'}, "
        f"{_average(total.requested, within, periods)}; most {when}: {peak.requested:,}. "
        f"{total.ready:,} ready, {total.failed:,} failed."
    )


def _credits_summary(within: DateRange, periods: _Periods, total: usage.Sums, terms: Pricing) -> str:
    """Return the plot of credits in words, for screen readers."""
    when, peak = periods.peak(lambda sums: sums.amount)
    simulated = f" {terms.amount(total.simulated_amount)} simulated, not charged." if total.simulated_amount else ""
    return (
        f"{terms.amount(total.amount)}, {_average(total.amount / CREDIT, within, periods)}; "
        f"most {when}: {shown(peak.amount)}. {shown(total.spent)} spent, {shown(total.reserved)} set aside.{simulated}"
    )


def _average(number: float, within: DateRange, periods: _Periods) -> str:
    average = number / len(periods.names)
    return f"{'fewer than one' if 0 < average < 1 else f'{average:,.1f}'} a {within.step} on average"


def _period_name(within: DateRange, period: date) -> str:
    if within.step == "quarter":
        return f"Q{(period.month + 2) // 3} {period.year}"
    if within.step == "month":
        return f"{period:%b %Y}"
    is_one_year = within.period_of(within.since).year == within.until.year
    return f"{period.day} {period:%b}" if is_one_year else f"{period.day} {period:%b %Y}"


def _groups(sums: Mapping[Key, usage.Sums], names: Mapping[Key, str]) -> list[dict[str, object]]:
    """Return the table rows of these sums, most videos first; `bar` is the percentage of the first row's videos."""
    ordered = sorted(sums.items(), key=lambda item: -item[1].requested)
    most = ordered[0][1].requested if ordered else 1
    return [
        {
            "name": names.get(key) or NOT_SENT,
            "sums": one,
            "bar": round(100 * one.requested / most, 2),
            "credits": shown(one.amount),
        }
        for key, one in ordered
    ]


def _states(total: usage.Sums) -> list[dict[str, object]]:
    most = max(total.videos.values(), default=1)
    return [
        {"name": STATE_NAMES[kind], "kind": kind, "videos": videos, "bar": round(100 * videos / most, 2)}
        for kind, videos in total.videos.most_common()
    ]


@require_GET
def usage_csv(request: MemberRequest) -> HttpResponseBase:
    """Return the usage as CSV."""
    form = RangeForm(request.GET)
    if not form.is_valid():
        message = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return HttpResponse(message, status=422, content_type="text/plain; charset=utf-8")
    within = form.range
    rows = usage.as_table(within, _member_names(), _token_names(request))
    return csv_response(rows, f"lumaweb-{within.since:%Y-%m-%d}-{within.until:%Y-%m-%d}.csv")
