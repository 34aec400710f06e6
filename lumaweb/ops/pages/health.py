"""Settings › Health: the doctor in the browser."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from lumaweb.ops import health_run
from lumaweb.ops.doctor import Finding
from videos.models import HealthReport
from videos.models.database_clock import database_now
from videos.views.access import admins_only

POST_WAIT = 2.0  # seconds that a POST waits for a quick run, so that its page shows the findings at once
LEVELS = ("fail", "warn")
PAGE_LABELS = {
    "provider": "Open Provider",
    "storage": "Open Storage",
    "mail": "Open Mail",
    "sign-in": "Open Sign-in",
    "provider-account": "Open Balance",
    "pricing": "Open Budget",
}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admins_only
def health(request: HttpRequest) -> HttpResponse:
    """Show what the doctor found last. POST runs it again, which an open page does if there is no recent report."""
    if request.method == "POST":
        if run := health_run.start():
            run.wait(POST_WAIT)
        return redirect("health")
    return render(request, "settings/health.html", page_context(HealthReport.objects.current()))


@require_safe
@never_cache
@admins_only
def health_text(request: HttpRequest) -> HttpResponse:
    """Download the findings as text, to paste into a message. They hold no secrets."""
    text = as_text(HealthReport.objects.current())
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="lumaweb-health.txt"'
    return response


def page_context(report: HealthReport) -> dict[str, Any]:
    """Return the variables of the template."""
    findings = _findings(report)
    problems = [
        {"finding": finding, "link": _link(finding)}
        for level in LEVELS
        for _, finding in findings
        if finding.level == level
    ]
    failed_checks = {check for check, finding in findings if finding.is_problem}
    well = [(check, finding) for check, finding in findings if check not in failed_checks]
    is_running = report.is_running(database_now())
    return {
        "report": report,
        "problems": problems,
        "well": [(check, finding) for check, finding in well if finding.level == "ok"],
        "skipped": [(check, finding) for check, finding in findings if finding.level == "skip"],
        "checks": len({check for check, _ in findings}),
        "checks_well": len({check for check, finding in well if finding.level == "ok"}),
        "failures": sum(finding.level == "fail" for _, finding in findings),
        "warnings": sum(finding.level == "warn" for _, finding in findings),
        "is_running": is_running,
        "is_stale": not is_running and health_run.is_stale(report),
        "text": as_text(report),
    }


def _findings(report: HealthReport) -> list[tuple[str, Finding]]:
    """Return the stored findings with the names of their checks."""
    names = ("level", "message", "fix", "code", "title", "page")
    return [
        (stored["check"], Finding(**{name: stored[name] for name in names if name in stored}))
        for stored in report.findings
    ]


def _link(finding: Finding) -> dict[str, str] | None:
    """Return the address and label of the page that helps with a finding."""
    if finding.page not in PAGE_LABELS:
        return None
    try:
        return {"url": reverse(finding.page), "label": PAGE_LABELS[finding.page]}
    except NoReverseMatch:
        return None


def as_text(report: HealthReport) -> str:
    """Return the findings as plain text, the most urgent first."""
    if not report.finished_at:
        return "This installation has not been checked yet.\n"
    lines = [f"Lumaweb {settings.VERSION}, checked {timezone.localtime(report.finished_at):%Y-%m-%d %H:%M:%S %Z}", ""]
    findings = _findings(report)
    for level, words in (("fail", "PROBLEM"), ("warn", "WARNING")):
        for check, finding in findings:
            if finding.level == level:
                lines += [f"{words}: {finding.title} ({finding.code}, {check})", f"  {finding.message}"]
                lines += [f"  → {finding.fix}", ""]
    lines += [f"{finding.level}: {check}: {finding.message}" for check, finding in findings if not finding.is_problem]
    return "\n".join(lines) + "\n"
