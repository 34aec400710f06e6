"""The manifest of an archive: what it holds, and the size and SHA-256 of each member."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict, cast

from .errors import RestoreRefused

# 2: the media are in a store beside the archive, which an older Lumaweb would silently restore without.
PLAIN_FORMAT, STORED_FORMAT = 1, 2
PRODUCT = "lumaweb"


class Member(TypedDict):
    size: int  # bytes
    sha256: str


class Manifest(TypedDict):
    format: int
    product: str
    created_at: str
    database: str  # Django's vendor
    migrations: list[str]  # "app.name", applied
    with_keys: bool
    with_media: NotRequired[bool]  # older archives always have the media
    counts: dict[str, int]
    remarks: list[str]
    members: dict[str, Member]
    # By the file's name in the storage, if the media are in a store beside the archive.
    stored_media: NotRequired[dict[str, Member]]


@dataclass
class Report:
    """What a backup or a restore contained; `remarks` are sentences for the admin."""

    counts: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    with_keys: bool = False
    with_media: bool = True


def parse(text: bytes) -> Manifest:
    """Return the manifest of an archive that this version can restore; raise RestoreRefused."""
    try:
        manifest = json.loads(text)
        is_valid = _is_valid(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_valid = False
    if not is_valid:
        raise RestoreRefused("The manifest of this archive cannot be read.")
    if manifest["format"] > STORED_FORMAT:
        raise RestoreRefused("This backup was made by a newer Lumaweb. Update this one first.")
    return cast(Manifest, manifest)


def _is_valid(manifest: Any) -> bool:
    """Check the types of all values that a restore uses; may also raise what a value of another type raises."""
    return (
        manifest["product"] == PRODUCT
        and isinstance(manifest["format"], int)
        and isinstance(manifest["database"], str)
        and isinstance(manifest["with_keys"], bool)
        and isinstance(manifest.get("with_media", True), bool)
        and isinstance(manifest["counts"], dict)
        and all(isinstance(name, str) for name in manifest["migrations"] + manifest["remarks"])
        and all(_is_member(member) for member in manifest["members"].values())
        and all(_is_member(member) for member in manifest.get("stored_media", {}).values())
    )


def _is_member(member: Any) -> bool:
    return isinstance(member["size"], int) and bool(re.fullmatch("[0-9a-f]{64}", member["sha256"]))
