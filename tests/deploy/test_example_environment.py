"""The example of the environment file."""

import re

from lumaweb.environment.variables import VARIABLES

from ..support.deployment import DEPLOY


def named_in_the_example() -> set[str]:
    text = (DEPLOY / "lumaweb.env.example").read_text()
    return set(re.findall(r"^#?([A-Z][A-Z_0-9]+)=", text, re.MULTILINE))


def test_the_example_names_every_variable_and_no_other():
    rarely_needed = {name for name in VARIABLES if name.startswith("SANDBOX_")} - {"SANDBOX_PORT", "SANDBOX_SECONDS"}
    assert VARIABLES.keys() - named_in_the_example() == rarely_needed
    assert named_in_the_example() - VARIABLES.keys() == {"POSTGRES_PASSWORD"}


def test_the_example_holds_no_secret_and_starts_unchanged_on_loopback():
    filled = dict(re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / "lumaweb.env.example").read_text(), re.MULTILINE))
    assert {name for name, said in filled.items() if said} == {"LUMAWEB_TRUSTED_PROXIES", "LUMAWEB_ACCEL_PREFIX"}
