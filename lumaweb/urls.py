from django.contrib import admin
from django.urls import include, path
from django.views import defaults
from django.views.generic import RedirectView

from videos.views.account import admin_login
from videos.views.broken import server_error

admin.autodiscover()

urlpatterns = [
    # One door for everybody: the admin's own sign-in would be a second place to try passwords at.
    path("admin/login/", admin_login, name="admin-login"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="profile"), name="admin-password"),
    path("admin/", admin.site.urls),
    path("", include("videos.urls")),
]

# Django's own pages of errors, without the decorator that reads the form once more for its CSRF token: what could not
# be read the first time (another charset, too many fields) would make a 500 of each of them.
handler400 = defaults.bad_request.__wrapped__
handler403 = defaults.permission_denied.__wrapped__
handler404 = defaults.page_not_found.__wrapped__
handler500 = server_error
