"""The settings that the tests replace still hold in the product."""

import os
import subprocess
import sys

from .installation import ROOT

HASH_A_PASSWORD = """
import django
django.setup()
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
encoded = make_password("correct-horse-9")
assert check_password("correct-horse-9", encoded) and not check_password("correct-horse-8", encoded)
print(encoded.split("$")[0], encoded.split("$")[1], identify_hasher(encoded).__class__.__name__)
"""


def test_the_product_hashes_passwords_slowly(tmp_path):
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "lumaweb.settings", "LUMAWEB_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", HASH_A_PASSWORD], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    algorithm, iterations, hasher = done.stdout.split()
    assert (algorithm, hasher) == ("pbkdf2_sha256", "PBKDF2PasswordHasher")
    assert int(iterations) >= 600_000, "fewer than OWASP asks for"
