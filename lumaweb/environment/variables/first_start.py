"""The keys, the first admin and the first API token."""

from .. import addresses, values
from ..variable import Section, Variable

SECRET_KEY = Variable(
    name="LUMAWEB_SECRET_KEY",
    parse=values.secret_key,
    meaning="the [key](keys.md) that signs sessions and links: 32 characters or more",
    default_meaning="on loopback and on a local network with SQLite generated once in the data directory, else "
    "required",
    is_secret=True,
)
ENCRYPTION_KEYS = Variable(
    name="LUMAWEB_ENCRYPTION_KEYS",
    parse=values.encryption_keys,
    meaning="the [keys](keys.md) that decrypt the stored API tokens, comma-separated, newest first",
    default_meaning="as for `LUMAWEB_SECRET_KEY`",
    is_secret=True,
)
ADMIN_USERNAME = Variable(
    name="LUMAWEB_ADMIN_USERNAME",
    parse=values.text,
    meaning="with `LUMAWEB_ADMIN_PASSWORD`: create the first admin at start if there is no member yet",
    default_meaning="none: the first visit asks, beyond loopback with a code that the start prints",
    example="ada",
)
ADMIN_PASSWORD = Variable(
    name="LUMAWEB_ADMIN_PASSWORD",
    parse=values.text,
    meaning="the password of the first admin",
    is_secret=True,
    may_have_quotes=True,
)
LUMA_TOKEN = Variable(
    name="LUMAWEB_LUMA_TOKEN",
    parse=values.api_token,
    meaning="a first API token, stored encrypted if no token of its provider is in use",
    is_secret=True,
)
LUMA_BASE_URL = Variable(
    name="LUMAWEB_LUMA_BASE_URL",
    parse=addresses.origin,
    meaning="the provider that new tokens belong to. If set, the sandbox does not start",
    default_meaning="`https://api.acedata.cloud`",
    example="https://api.acedata.cloud",
)

SECTION = Section(
    "Secrets and first start",
    "docs/operator/configuration.md",
    (
        SECRET_KEY,
        ENCRYPTION_KEYS,
        ADMIN_USERNAME,
        ADMIN_PASSWORD,
        LUMA_TOKEN,
        LUMA_BASE_URL,
    ),
)
