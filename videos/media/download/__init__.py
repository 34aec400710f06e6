"""Download what a provider's result links to: the only code that connects to addresses that others chose.

A link is parsed once, and the host in it is resolved once: the address that was checked is the address that is used.
Nothing here imports Django.
"""

from .errors import DownloadFailed, HostNotListed, NotAllowed, TooLarge
from .fetching import Fetched, Rules, fetch, probe, unlisted_host
from .links import Origin, check_public_host, is_public_address, matches_host, origin_of

__all__ = [
    "DownloadFailed",
    "Fetched",
    "HostNotListed",
    "NotAllowed",
    "Origin",
    "Rules",
    "TooLarge",
    "check_public_host",
    "fetch",
    "is_public_address",
    "matches_host",
    "origin_of",
    "probe",
    "unlisted_host",
]
