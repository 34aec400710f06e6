"""Read the product's settings in a separate process, whose environment a test chooses."""

import json
import os
import subprocess
import sys
from pathlib import Path

from .installation import ROOT

KEYS = {
    "LUMAWEB_SECRET_KEY": "not-a-secret-but-long-enough-for-the-tests-0123456789",
    "LUMAWEB_ENCRYPTION_KEYS": "bm90LWEtc2VjcmV0LWJ1dC1sb25nLWVub3VnaC1oZXI=",
}
OURS = ("LUMAWEB", "SANDBOX", "HOST", "PORT", "DATABASE_URL", "REDIS_URL", "DJANGO")
SECURITY = (
    "json.dumps({name: getattr(settings, name) for name in dir(settings) if name.startswith(('SESSION_', 'CSRF_', "
    "'SECURE_', 'MESSAGES_', 'USE_X_', 'ALLOWED', 'BEHIND', 'ON_LOOPBACK'))}, default=str)"
)


def print_settings(folder: Path, expression: str, **env: str) -> subprocess.CompletedProcess:
    """Print an expression about `settings`; of Lumaweb's variables, only those in `env` are set."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return subprocess.run(
        [sys.executable, "-c", f"import json; from lumaweb import settings; print({expression})"],
        cwd=ROOT,
        env=clean | {"LUMAWEB_DATA_DIR": str(folder), "LUMAWEB_ENV_FILE": ""} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def security_settings(folder: Path, **env: str) -> dict:
    """Return the settings about cookies, TLS, proxies and hosts."""
    done = print_settings(folder, SECURITY, **(KEYS | env))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
