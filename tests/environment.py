"""The environment of the tests, loaded by pytest before anything reads the settings (`-p tests.environment`).

Every process of a test run has a data directory of its own, so that no installation's is touched, and beside the
servers of `tests.servers` a database and a queue of its own.
"""

import os
import tempfile

from . import servers

os.environ["LUMAWEB_DATA_DIR"] = tempfile.mkdtemp(prefix="lumaweb-tests-")
for name in ("LUMAWEB_PUBLIC_URL", "DATABASE_URL", "REDIS_URL", "LUMAWEB_LUMA_TOKEN", "LUMAWEB_LUMA_BASE_URL"):
    os.environ.pop(name, None)
for name in ("LUMAWEB_S3_BUCKET", "LUMAWEB_ACCEL_PREFIX"):
    os.environ.pop(name, None)
if servers.there():
    os.environ |= servers.both()
