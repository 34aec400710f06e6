"""Back up an installation into one archive, and restore it.

The archive holds the database, unless the admin excludes them the media that the database names, and on request the
keys. It is a plain tar: first a snapshot of the database, then the files, and last a manifest with the SHA-256 of each
member. Contents are streamed in both directions; memory holds only names and hashes.
"""

from .creating import create
from .errors import BackupFailed, RestoreRefused
from .manifest import Report
from .media import named_media
from .restoring import restore

__all__ = ["BackupFailed", "Report", "RestoreRefused", "create", "named_media", "restore"]
