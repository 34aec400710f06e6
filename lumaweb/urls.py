from inspect import unwrap

from django.contrib import admin
from django.urls import include, path
from django.views import defaults
from django.views.generic import RedirectView

from lumaweb.ops import health, metrics
from lumaweb.ops.pages import address_check, storage
from lumaweb.ops.pages import health as health_page
from videos.views.account import admin_login
from videos.views.error_pages import bad_request, server_error

admin.autodiscover()

urlpatterns = [
    # The admin's own sign-in would be a second place to guess passwords.
    path("admin/login/", admin_login, name="admin-login"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="profile"), name="admin-password"),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("settings/health/", health_page.health, name="health"),
    path("settings/health/report.txt", health_page.health_text, name="health-text"),
    path("settings/storage/", storage.storage, name="storage"),
    path("settings/storage/limits/", storage.limits, name="storage-limits"),
    path("settings/storage/rejected/", storage.rejected, name="storage-rejected"),
    path("settings/storage/schedule/", storage.schedule, name="backup-schedule"),
    path("settings/storage/backups/", storage.backups, name="backups"),
    path("settings/storage/backups/<int:pk>/verification/", storage.verification, name="backup-verification"),
    path("settings/storage/backups/<int:pk>/download/", storage.download, name="backup-download"),
    path("provider/address/", address_check.address_check, name="provider-address"),
    path("", include("videos.urls")),
]

# Django's error views without their requires_csrf_token decorator: it parses the form again, and a form that could not
# be parsed the first time (another charset, too many fields) would turn each error into a 500.
handler400 = bad_request
handler403 = unwrap(defaults.permission_denied)
handler404 = unwrap(defaults.page_not_found)
handler500 = server_error
