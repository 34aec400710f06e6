"""Check of the hosts that videos may be downloaded from."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings

from videos.media import download
from videos.media.saved_videos import download_rules
from videos.models import ApiToken, Generation
from videos.models.state import Archive

from .findings import Finding, fail, ok, warn

RECENT_UNSAVED = 50
ACEDATACLOUD = "acedata.cloud"


def media_hosts() -> Iterator[Finding]:
    """Compare the allowed hosts with those that the providers are known to use, and with those of unsaved results."""
    findings = [*_refused_hosts(), *_missing_hosts()]
    yield from findings or [ok("Videos may be downloaded from every host that the provider is known to use.")]


def _refused_hosts() -> Iterator[Finding]:
    """Report the hosts of finished videos that may not be downloaded."""
    unsaved = Generation.objects.filter(archive=Archive.REMOTE).exclude(video_url="").exclude(token=None)
    refused: Counter[str] = Counter()
    for row in unsaved.select_related("token").order_by("-pk")[:RECENT_UNSAVED]:
        assert row.token is not None
        rules = download_rules(row.token.base_url, is_local=row.token.is_local, max_bytes=0, deadline=0.0)
        refused[download.unlisted_host(row.video_url, rules)] += 1
    del refused[""]
    for host, number in refused.most_common():
        videos = "A finished video is" if number == 1 else f"{number} finished videos are"
        yield fail(
            "media-host-refused",
            "Finished videos cannot be saved",
            f"{videos} on {host}, which LUMAWEB_MEDIA_HOSTS does not allow. The provider's links expire.",
            f"If the provider uses {host}, add it to LUMAWEB_MEDIA_HOSTS and restart; the videos are saved then.",
        )


def _missing_hosts() -> Iterator[Finding]:
    """Report the known hosts of AceDataCloud that are not allowed, if a token or the environment names it."""
    providers = list(ApiToken.objects.filter(enabled=True).values_list("base_url", flat=True))
    names = {urlsplit(url).hostname or "" for url in providers or [settings.LUMA_BASE_URL]}
    if not any(name == ACEDATACLOUD or name.endswith(f".{ACEDATACLOUD}") for name in names):
        return
    missing = [
        host
        for host in settings.DEFAULT_MEDIA_HOSTS
        if not any(download.matches_host(allowed.lower(), host) for allowed in settings.MEDIA_HOSTS)
    ]
    if missing:
        yield warn(
            "media-hosts",
            "Some results could not be saved",
            f"LUMAWEB_MEDIA_HOSTS lacks {', '.join(missing)}: videos on these hosts cannot be saved.",
            "Add them, or unset the variable to use Lumaweb's own list.",
        )
