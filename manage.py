#!/usr/bin/env python
"""Run Django's commands for this installation."""

import os
import signal
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")
    try:
        # Here, because Ctrl-C may come during the imports.
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        try:
            execute_from_command_line(sys.argv)
        except ImproperlyConfigured as error:
            # The message says what to change; a traceback would hide it.
            sys.exit(f"Lumaweb cannot start: {error}")
    except KeyboardInterrupt:
        # The caller, such as make, has to see that a signal ended this.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stderr.write("Stopped.\n")
        os.kill(os.getpid(), signal.SIGINT)
