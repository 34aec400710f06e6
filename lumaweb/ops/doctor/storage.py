"""Check of the storage of media."""

import errno
import random
import secrets
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from videos.models import Generation
from videos.models.state import Archive

from .findings import Finding, fail, ok, warn
from .http_client import RequestFailed, request
from .installation import STORAGE_PAGE

NEWEST, CANDIDATES, SAMPLE = 10, 200, 40  # of saved videos
EXAMPLES = 3


def storage() -> Iterator[Finding]:
    """Write a file, read it from its middle, and delete it; with a bucket, also request it by a signed link."""
    place = "the bucket" if settings.BUCKET else "the media folder"
    data, name = secrets.token_bytes(64 * 1024), f"probe/doctor-{secrets.token_hex(8)}"
    step = "written"
    try:
        name = default_storage.save(name, ContentFile(data))
        step = "read"
        is_same = _reads_back(name, data)
        if not is_same:
            yield fail(
                "storage-corrupts",
                "The storage changes files",
                "The file read is not the file written.",
                "Do not use this storage: it would lose videos.",
            )
        if settings.BUCKET:
            yield from _signed_link(name, data)
        step = "deleted"
        default_storage.delete(name)
        if default_storage.exists(name):
            yield fail(
                "storage-keeps",
                "The storage does not delete files",
                f"A file in {place} still exists after it was deleted.",
                "Allow this key to delete objects.",
            )
            return
    except OSError as error:
        fix = (
            "Check LUMAWEB_S3_ENDPOINT, LUMAWEB_S3_BUCKET and the permissions of the key: put, get, list and delete."
            if settings.BUCKET
            else f"Allow the user that runs Lumaweb to read and write {settings.MEDIA_ROOT}, and check its free space."
        )
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        yield fail(
            "disk-full" if full else "storage-fails",
            "The disk is full" if full else "Videos cannot be saved",
            f"A file in {place} could not be {step}: {error.strerror or error}.",
            fix,
            STORAGE_PAGE,
        )
        with suppress(OSError):
            default_storage.delete(name)
        return
    if is_same:
        yield ok(f"Files are written, read and deleted in {place}.")


def saved_videos() -> Iterator[Finding]:
    """Check that the files of a sample of saved videos exist: the newest ones, and others chosen at random."""
    saved = Generation.objects.filter(archive=Archive.SAVED).exclude(video_file="")
    names = ("pk", "video_file", "uuid")
    newest = list(saved.order_by("-pk").values_list(*names)[:NEWEST])
    if not newest:
        yield ok("No video is saved yet.")
        return
    # Random keys, as a random order would read every row.
    oldest = saved.order_by("pk").values_list("pk", flat=True).first() or newest[0][0]
    keys = range(oldest, newest[0][0] + 1)
    chosen = random.sample(keys, min(len(keys), CANDIDATES))
    others = list(saved.filter(pk__in=chosen).exclude(pk__in=[pk for pk, _, _ in newest]).values_list(*names))
    sample = [*newest, *random.sample(others, min(len(others), SAMPLE - NEWEST))]
    files = {name: uuid for _, name, uuid in sample}
    missing = [str(uuid) for name, uuid in files.items() if not default_storage.exists(name)]
    if not missing:
        yield ok(f"The files of {len(files)} saved videos exist, which are a sample.")
        return
    examples = ", ".join(f"/generations/{uuid}/" for uuid in missing[:EXAMPLES])
    yield fail(
        "files-missing",
        "Files of saved videos are missing",
        f"{len(missing)} of {len(files)} saved videos in a sample have no file, such as {examples}.",
        "If the storage was changed or moved, correct its settings, or move the files there. Else restore them from a "
        "backup, or run manage.py verify_media --repair to download again what the provider still has.",
        STORAGE_PAGE,
    )


def _reads_back(name: str, data: bytes) -> bool:
    with default_storage.open(name) as file:
        file.seek(1000)
        part = file.read(100)
    return part == data[1000:1100] and default_storage.size(name) == len(data)


def _signed_link(name: str, data: bytes) -> Iterator[Finding]:
    """Request a range of the file by a signed link, as a browser does."""
    # Only the storage of a bucket has links.
    link = default_storage.link(name, content_type="application/octet-stream", disposition="inline")  # type: ignore[attr-defined]
    host = urlsplit(link).netloc
    try:
        response = request("GET", link, headers={"Range": "bytes=1000-1099"})
    except RequestFailed as error:
        yield fail(
            "storage-links",
            "Browsers cannot load videos from the bucket",
            f"Links to {host} do not work: {error}",
            "Set LUMAWEB_S3_PUBLIC_ENDPOINT to the address of the bucket for browsers.",
        )
        return
    if response.status == 200:
        yield warn(
            "storage-seeking",
            "Members cannot seek in videos",
            f"{host} sends whole files only: members cannot seek in a video.",
            "Let the proxy in front of it pass the Range header.",
        )
    elif response.status != 206 or response.body != data[1000:1100]:
        yield fail(
            "storage-links",
            "Browsers cannot load videos from the bucket",
            f"{host} answers {response.status} to a link.",
            "Check LUMAWEB_S3_PUBLIC_ENDPOINT and LUMAWEB_S3_REGION, and that no proxy changes the Host header.",
        )
    else:
        yield ok(f"Links to {host} work from here, also for seeking.")
