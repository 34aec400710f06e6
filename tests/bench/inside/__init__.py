"""Code that runs in a process with an installation's environment; importing this package sets up Django."""

import os

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")
if not apps.ready:
    django.setup()
