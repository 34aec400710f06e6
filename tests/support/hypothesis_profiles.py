"""Run a quarter of the examples by default, and all of them with `--hypothesis-profile=full`."""

from hypothesis import settings

FULL = "full"
LEAST = 20  # examples; with fewer, hypothesis hardly leaves the simplest values


def register() -> None:
    """Define both profiles and begin with the quick one; pytest's --hypothesis-profile, read later, replaces it."""
    for name in ("quick", FULL):
        settings.register_profile(name, settings.get_profile("default"))
    settings.load_profile("quick")


def example_count(full: int) -> int:
    """Return the number of examples for a test that tries so many in the full profile."""
    return full if settings.get_current_profile_name() == FULL else min(full, max(full // 4, LEAST))
