"""Set the environment of the tests before the settings are read (`-p tests.support.environment`).

Every process of a test run has its own data directory, so that no installation's is touched, and beside the
servers of `tests.support.servers` its own database and queue. All are in one folder, which the first process
makes and removes at the end.
"""

import os
import shutil
import sys
import tempfile

from . import prepared_data, servers

FIRST = prepared_data.FOLDER not in os.environ  # the others are the workers of pytest-xdist, started by the first
if FIRST:
    os.environ[prepared_data.FOLDER] = tempfile.mkdtemp(prefix="lumaweb-tests-")
os.environ["LUMAWEB_DATA_DIR"] = tempfile.mkdtemp(dir=os.environ[prepared_data.FOLDER])
for name in ("LUMAWEB_PUBLIC_URL", "DATABASE_URL", "REDIS_URL", "LUMAWEB_LUMA_TOKEN", "LUMAWEB_LUMA_BASE_URL"):
    os.environ.pop(name, None)
for name in ("LUMAWEB_SITE_URL", "LUMAWEB_S3_BUCKET", "LUMAWEB_ACCEL_PREFIX", "LUMAWEB_BACKUP_DIR"):
    os.environ.pop(name, None)
# The developer's .env is for their installation.
os.environ["LUMAWEB_ENV_FILE"] = ""
# Compiling our modules takes each process of an installation, of which a run starts hundreds, half a second.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
if servers.there():
    os.environ |= servers.both()


def pytest_unconfigure() -> None:
    if FIRST:
        shutil.rmtree(os.environ.pop(prepared_data.FOLDER), ignore_errors=True)
