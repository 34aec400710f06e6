"""The admin site: its title, and the pages of other apps that are left out."""

# These register the pages that are unregistered below, whatever the order of the apps.
import django.contrib.auth.admin  # noqa: F401
import django_q.admin  # noqa: F401
from django.contrib import admin
from django.contrib.auth.models import Group
from django_q.models import Failure, OrmQ, Schedule, Success

admin.site.site_header = admin.site.site_title = "Lumaweb"
admin.site.index_title = "Administration"
admin.site.unregister(Group)

# The queue's pages can rerun a task and change schedules; in Lumaweb the database rows decide what runs.
for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
