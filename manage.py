#!/usr/bin/env python
"""Run Django's commands for this installation."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # The message says what to change; a traceback would hide it.
        sys.exit(f"Lumaweb cannot start: {error}")
