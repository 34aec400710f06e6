"""URLs with a page that raises an error."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from lumaweb import urls
from lumaweb.urls import handler400, handler403, handler404, handler500  # noqa: F401  (Django reads them here)


@login_not_required
def broken(request):
    a_variable = "-".join(("marked", "in", "the", "fault"))  # the line itself may be shown
    raise RuntimeError(f"{len(a_variable)} letters")


urlpatterns = [*urls.urlpatterns, path("broken/", broken)]
