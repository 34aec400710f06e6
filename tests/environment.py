"""The environment of the tests, loaded by pytest before anything reads the settings (`-p tests.environment`).

Every process of a test run has a data directory of its own, so that no installation's is touched.
"""

import os
import tempfile

os.environ["LUMAWEB_DATA_DIR"] = tempfile.mkdtemp(prefix="lumaweb-tests-")
KEPT = os.environ.get("LUMAWEB_TESTS_KEEP", "").split()
for name in ("LUMAWEB_PUBLIC_URL", "DATABASE_URL", "REDIS_URL", "LUMAWEB_LUMA_TOKEN", "LUMAWEB_LUMA_BASE_URL"):
    if name not in KEPT:
        os.environ.pop(name, None)
