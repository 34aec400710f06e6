"""Exceptions of downloads."""


class NotAllowed(Exception):
    """The rules forbid this link, an address behind it, or a place that it redirects to."""


class HostNotListed(NotAllowed):
    """The link, or a place that it redirects to, is at a host that is not in the rules."""

    def __init__(self, host: str, *, redirected: bool = False) -> None:
        how = "The link redirects to" if redirected else "The link leads to"
        super().__init__(f"{how} {host}, which is not one of the allowed media hosts.")
        self.host = host


class DownloadFailed(Exception):
    """A permitted link brought no file.

    status is the HTTP status, None without an answer; permanent says that a retry cannot help.
    """

    def __init__(self, message: str, *, status: int | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.permanent = permanent


class TooLarge(DownloadFailed):
    """The file has more bytes than the rules allow."""
