"""Check of the quota for saved media."""

from collections.abc import Iterator

from django.template.defaultfilters import filesizeformat

from lumaweb.ops.storage_use import MediaUse

from .findings import Finding, ok, skip, warn
from .installation import STORAGE_PAGE


def quota() -> Iterator[Finding]:
    """Compare the size of the saved media with the quota that an admin has set."""
    use = MediaUse.now()
    if use.quota_bytes is None:
        yield skip("No quota is set.")
        return
    # filesizeformat joins number and unit with a no-break space.
    taken, allowed = (filesizeformat(size).replace("\xa0", " ") for size in (use.total_bytes, use.quota_bytes))
    if use.is_near_quota:
        yield warn(
            "media-quota",
            "Videos exceed the quota" if use.is_over_quota else "Videos almost fill the quota",
            f"Videos and frames take {taken} of {allowed}. New videos are still saved.",
            "Empty the trash, move videos that nobody needs there, or raise the quota.",
            STORAGE_PAGE,
        )
    else:
        yield ok(f"Videos and frames take {taken} of {allowed}.")
