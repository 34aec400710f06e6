"""The product's settings with a fast password hasher.

PBKDF2 is slow on purpose, and hundreds of tests set a password or sign in. `tests/support/test_settings.py` tests the
hasher of the product.
"""

from lumaweb.settings import *  # noqa: F403  (these settings extend the product's)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
