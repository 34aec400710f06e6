"""set_up.py PYTHON REQUIREMENTS ENVIRONMENT: create a virtual environment unless it works, and install into it.

Uses uv if it is installed, else Python's venv and pip. Shows what it does: on a terminal in one line that changes, else
in a line now and then. Ctrl-C ends it at any moment, with all programs it started; the next run continues.
"""

import os
import sys

if __name__ == "__main__":
    # At the end of the path: no module of this folder may replace one of Python's.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    sys.dont_write_bytecode = True
    import stop_signals

    # Here, because Ctrl-C may come during the imports, and would print a traceback.
    stop_signals.collect()
    import virtual_environment

    sys.exit(virtual_environment.main(*sys.argv[1:]))
