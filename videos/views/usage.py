import csv
import io
from collections import Counter
from datetime import date
from tempfile import TemporaryFile
from typing import BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from ..forms import RangeForm, presets
from ..models import Allowance, ApiToken, Member, usage
from ..models.budget import CREDIT, shown
from . import plots

# Spreadsheets run a cell that starts with one of these as a formula. Some read the full-width forms as the plain ones.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _names() -> dict[int, str]:
    """What members are called; who shares a name with another has the username beside it."""
    members = {member.pk: member for member in Member.objects.all()}
    called = {pk: member.get_full_name() or member.username for pk, member in members.items()}
    often = Counter(called.values())
    return {pk: name if often[name] == 1 else f"{name} ({members[pk].username})" for pk, name in called.items()}


def _tokens(request: HttpRequest) -> dict[int, str] | None:
    """The tokens' names, which are for admins only."""
    return dict(ApiToken.objects.values_list("pk", "name")) if request.user.is_superuser else None


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """How much was made, by whom, for how much, how fast, and what failed."""
    form = RangeForm(request.GET)
    within = form.range
    told = usage.report(within)
    allowance = Allowance.of(request.user)
    tokens = _tokens(request)
    total, timed, periods = told.total, told.times, _periods(within, told.days)
    context = {
        "form": form,
        "within": within,
        "presets": [(name, one, one == within) for name, one in presets().items()],
        "total": total,
        "terms": allowance.terms,
        "spent": allowance.terms.amount(total.spent),
        "held": allowance.terms.amount(total.held) if total.held else "",
        "left": None if allowance.left is None else allowance.terms.amount(allowance.left),
        "whose": allowance.whose,
        "times": timed,
        "median": timed and _span(timed.median),
        "p95": timed and _span(timed.p95),
        "success": _percent(total),
        "timed_at_most": usage.TIMED_AT_MOST,
        "failures": told.failures,
        "periods": periods,
        "videos_words": _in_words(within, periods, total),
        "credits_words": _credits_in_words(within, periods, total, allowance.terms),
        "members": _groups(told.members, _names()),
        "tokens": None if tokens is None else _groups(told.tokens, tokens),
        "states": _states(total),
        "csv": f"{reverse('usage-csv')}?since={within.since:%Y-%m-%d}&until={within.until:%Y-%m-%d}",
    }
    return render(request, "usage/usage.html", context, status=200 if form.is_valid() else 422)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _percent(total: usage.Sums) -> int | None:
    """The success in whole percent; 100 only where nothing failed."""
    if total.success is None:
        return None
    return min(round(100 * total.success), 99) if total.failed else 100


def _in_words(within: usage.Range, periods: dict, total: usage.Sums) -> str:
    """The main point of the plot, for whoever does not see it."""
    when, most = periods["most_videos"]
    return (
        f"{total.asked:,} video{'' if total.asked == 1 else 's'}, "
        f"{_average(total.asked, within, periods)}; most {when}: {most.asked:,}. "
        f"{total.ready:,} ready, {total.failed:,} failed."
    )


def _credits_in_words(within: usage.Range, periods: dict, total: usage.Sums, terms) -> str:
    when, most = periods["most_credits"]
    amount = total.spent + total.held
    return (
        f"{terms.amount(amount)}, {_average(amount / CREDIT, within, periods)}; "
        f"most {when}: {shown(most.spent + most.held)}. {shown(total.spent)} spent, {shown(total.held)} set aside."
    )


def _average(number: float, within: usage.Range, periods: dict) -> str:
    average = number / len(periods["table"])
    return f"{'fewer than one' if 0 < average < 1 else f'{average:,.1f}'} a {within.step} on average"


def _periods(within: usage.Range, days: dict[date, usage.Sums]) -> dict:
    sums = usage.added(days, within.period_of)
    each = [(period, sums.get(period) or usage.Sums()) for period in within.periods]
    names = [_name(within, period) for period, _ in each]

    def most(amount) -> tuple[str, usage.Sums]:
        # Of several, the latest.
        number = max(range(len(each)), key=lambda number: (amount(each[number][1]), number))
        return f"{IN[within.step]} {names[number]}", each[number][1]

    return {
        "table": [(name, one, shown(one.spent + one.held)) for name, (_, one) in zip(names, each, strict=True)],
        "videos": plots.stacked(
            names, [{"ready": one.ready, "failed": one.failed, "other": one.others} for _, one in each]
        ),
        "credits": plots.stacked(
            names, [{"ready": one.spent / CREDIT, "other": one.held / CREDIT} for _, one in each], whole=False
        ),
        "most_videos": most(lambda one: one.asked),
        "most_credits": most(lambda one: one.spent + one.held),
    }


IN = {"day": "on", "week": "in the week of", "month": "in", "quarter": "in"}


def _name(within: usage.Range, period: date) -> str:
    if within.step == "quarter":
        return f"Q{(period.month + 2) // 3} {period.year}"
    if within.step == "month":
        return f"{period:%b %Y}"
    one_year = within.period_of(within.since).year == within.until.year
    return f"{period.day} {period:%b}" if one_year else f"{period.day} {period:%b %Y}"


def _groups(sums: dict, names: dict) -> list[dict]:
    """The most first, each with its share of the first's videos as a bar."""
    ordered = sorted(sums.items(), key=lambda item: -item[1].asked)
    most = ordered[0][1].asked if ordered else 1
    return [
        {
            "name": names.get(key) or "Not sent",
            "sums": one,
            "bar": round(100 * one.asked / most, 2),
            "credits": shown(one.spent + one.held),
        }
        for key, one in ordered
    ]


WORDS = {
    "ready": "Ready",
    "failed": "Failed",
    "open": "In the making",
    "unconfirmed": "Unconfirmed",
    "canceled": "Canceled",
}


def _states(total: usage.Sums) -> list[dict]:
    most = max(total.videos.values(), default=1)
    return [
        {"name": WORDS[kind], "kind": kind, "videos": videos, "bar": round(100 * videos / most, 2)}
        for kind, videos in total.videos.most_common()
    ]


@require_GET
def table(request: HttpRequest) -> HttpResponse:
    """The same as a file for a spreadsheet."""
    form = RangeForm(request.GET)
    if not form.is_valid():
        words = " ".join(error for errors in form.errors.values() for error in errors)
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    within = form.range
    rows = usage.as_table(within, _names(), _tokens(request))
    answer = FileResponse(_written(rows), content_type="text/csv; charset=utf-8")
    name = f"lumaweb-{within.since:%Y-%m-%d}-{within.until:%Y-%m-%d}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _written(rows) -> BinaryIO:
    """Write the rows to a temporary file, so that a slow client holds no thread."""
    lines = io.TextIOWrapper(TemporaryFile(), encoding="utf-8", newline="")  # noqa: SIM115  the response closes it
    csv.writer(lines).writerows([_plain(cell) for cell in row] for row in rows)
    lines.flush()
    lines.seek(0)
    return lines.detach()


def _plain(cell):
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
