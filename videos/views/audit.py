"""The audit log, as a page and as CSV."""

from collections.abc import Iterator

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from ..forms.audit import AuditFilterForm
from ..keyset import read_page, rows_after
from ..models.audit import AuditEntryQuerySet
from .access import admins_only
from .csv_files import Cell, csv_response
from .params import parse_int
from .requests import MemberRequest

PAGE_SIZE, CSV_PAGE_SIZE = 50, 1000


@require_GET
@admins_only
def audit_log(request: MemberRequest) -> HttpResponse:
    """List who changed what, latest first; `before` is the cursor."""
    form = AuditFilterForm(request.GET)
    rows = form.entries().select_related("by")
    before = parse_int(request.GET.get("before"))
    page = read_page(rows_after(rows, before) if before else rows, PAGE_SIZE)
    context = {
        "form": form,
        "query": urlencode(form.query),
        "audit_entries": page.rows,
        "older": urlencode(form.query | {"before": page.last.pk}) if page.last else "",
        "first": not before,
    }
    return render(request, "team/audit.html", context, status=200 if form.is_valid() else 422)


@require_GET
@admins_only
def audit_csv(request: MemberRequest) -> HttpResponseBase:
    """Return the entries that the page's filters select as CSV, latest first."""
    form = AuditFilterForm(request.GET)
    if not form.is_valid():
        message = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return HttpResponse(message, status=422, content_type="text/plain; charset=utf-8")
    return csv_response(_csv_rows(form.entries()), f"lumaweb-audit-log-{timezone.localdate():%Y-%m-%d}.csv")


def _csv_rows(entries: AuditEntryQuerySet) -> Iterator[list[Cell]]:
    """Yield a row for each entry, read page by page, so that a long log needs little memory."""
    yield ["time", "by", "about", "change"]
    entries = entries.select_related("by", "about")
    page = read_page(entries, CSV_PAGE_SIZE)
    while True:
        for entry in page.rows:
            people = [person.username if person else "" for person in (entry.by, entry.about)]
            yield [timezone.localtime(entry.at).isoformat(timespec="seconds"), *people, entry.text]
        if page.last is None:
            return
        page = read_page(rows_after(entries, page.last.pk), CSV_PAGE_SIZE)
