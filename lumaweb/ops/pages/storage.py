"""The settings page about storage and backups."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.storage import FileSystemStorage
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from lumaweb.ops.backup.folder import folder_state
from videos.models import AuditEntry, Backup, Generation, StoragePolicy
from videos.views.access import admins_only
from videos.views.requests import MemberRequest
from videos.views.throttling import CURRENT_PASSWORD, attempt_allowed, lockout_response, record_failure

from .storage_context import progress_of, storage_context
from .storage_forms import DownloadForm, LimitsForm, PolicyForm, RejectedForm, ScheduleForm

PREVIEWED = 24


@require_GET
@admins_only
def storage(request: MemberRequest) -> HttpResponse:
    """Show what takes space, the rules that free it, and the backups."""
    return _page(request)


def _page(request: MemberRequest, status: int = 200, **forms: PolicyForm) -> HttpResponse:
    policy = StoragePolicy.current()
    context: dict[str, Any] = storage_context()
    context |= {
        "limits_form": LimitsForm(instance=policy),
        "schedule_form": ScheduleForm(instance=policy),
        "progress": progress_of(context["under_way"]),
    }
    return render(request, "settings/storage.html", context | forms, status=status)


@require_POST
@admins_only
def limits(request: MemberRequest) -> HttpResponse:
    """Set the days in the trash and the quota."""
    return _save(request, "limits_form", LimitsForm(request.POST, instance=StoragePolicy.current()))


@require_POST
@admins_only
def schedule(request: MemberRequest) -> HttpResponse:
    """Set when backups are made and how many are kept."""
    return _save(request, "schedule_form", ScheduleForm(request.POST, instance=StoragePolicy.current()))


def _save(request: MemberRequest, name: str, form: PolicyForm) -> HttpResponse:
    if not form.is_valid():
        return _page(request, status=422, **{name: form})
    messages.success(request, "Saved." if form.save_by(request.user) else "No changes to save.")
    return redirect("storage")


@require_http_methods(["GET", "POST"])
@admins_only
def rejected(request: MemberRequest) -> HttpResponse:
    """Show which rejected videos a rule would move to the trash now, and save it unless `preview` is set."""
    form = RejectedForm(request.POST or None, instance=StoragePolicy.current())
    if request.method == "POST" and "preview" not in request.POST and form.is_valid():
        messages.success(request, "Saved." if form.save_by(request.user) else "No changes to save.")
        return redirect("storage")
    stored = StoragePolicy.current()
    days = form.cleaned_data.get("rejected_days") if form.is_bound and form.is_valid() else stored.rejected_days
    before = StoragePolicy(rejected_days=days).rejected_before()
    rows = Generation.objects.disposable(before) if before else Generation.objects.none()
    context = {
        "form": form,
        "days": days,
        "policy": stored,
        "count": rows.count(),
        "videos": rows.select_related("member")[:PREVIEWED],
    }
    return render(
        request, "settings/rejected.html", context, status=422 if form.is_bound and not form.is_valid() else 200
    )


@require_POST
@admins_only
def backups(request: MemberRequest) -> HttpResponse:
    """Request a backup; the ticker makes it."""
    if settings.BACKUP_DIR is None:
        messages.error(request, "Set LUMAWEB_BACKUP_DIR first.")
    elif Backup.objects.request(request.user):
        AuditEntry.objects.record(request.user, "Requested a backup.")
        messages.success(request, "Requested. The backup starts within a minute.")
    else:
        messages.info(request, "A backup is under way already.")
    return redirect("storage")


@require_POST
@admins_only
def verification(request: MemberRequest, pk: int) -> HttpResponse:
    """Request the verification of a backup; the ticker starts it."""
    backup = get_object_or_404(Backup.objects.kept(), pk=pk)
    if backup.request_verification():
        AuditEntry.objects.record(request.user, f"Requested the verification of the backup {backup.name}.")
        messages.success(request, "Requested. Every file of the backup is read, which can take long.")
    else:
        messages.info(request, "Its verification is under way already.")
    return redirect("storage")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@never_cache
@admins_only
def download(request: MemberRequest, pk: int) -> HttpResponseBase:
    """Send the database archive of a backup, after the admin has entered the password again.

    An admin without a password cannot confirm the download, and gets instructions for the server instead.
    """
    backup = get_object_or_404(Backup.objects.kept(), pk=pk)
    if not request.user.has_usable_password():
        status = 403 if request.method == "POST" else 200
        return render(request, "settings/backup_download.html", {"backup": backup}, status=status)
    form = DownloadForm(request.POST or None, admin=request.user)
    if request.method == "POST":
        owner = str(request.user.pk)
        if not attempt_allowed(request, CURRENT_PASSWORD, owner):
            return lockout_response(request)
        if form.is_valid():
            return _send(request, backup)
        if form.has_error("password", "wrong"):
            record_failure(request, CURRENT_PASSWORD, owner)
    context = {"backup": backup, "form": form}
    return render(request, "settings/backup_download.html", context, status=422 if request.method == "POST" else 200)


def _send(request: MemberRequest, backup: Backup) -> HttpResponseBase:
    if problem := folder_state().problem:
        messages.error(request, f"The backup folder cannot be read: {problem}.")
        return redirect("storage")
    try:
        file = FileSystemStorage(Path(backup.path).parent).open(backup.name)
    except OSError as error:
        messages.error(request, f"The archive cannot be read on this machine: {error.strerror}.")
        return redirect("storage")
    AuditEntry.objects.record(request.user, f"Downloaded the backup {backup.name}.")
    return FileResponse(file, as_attachment=True, filename=backup.name, content_type="application/x-tar")
