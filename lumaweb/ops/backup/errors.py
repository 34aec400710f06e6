class BackupFailed(Exception):
    """No archive was written, or a program of PostgreSQL failed; the message is for the admin."""


class RestoreRefused(Exception):
    """Nothing was restored; the message is for the admin."""
