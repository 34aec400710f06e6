"""Prove that a URL leads to this installation, without a video: `manage.py doctor` asks, the endpoints answer.

The key of a self-test and the proof both derive from the installation's secret key. A key is valid for two minutes and
gives access to nothing.
"""

from uuid import UUID

from django.core.signing import BadSignature, TimestampSigner
from django.utils.crypto import salted_hmac

MAX_AGE = 120  # seconds


def key_for(uuid: UUID) -> str:
    """Return a key for the URL of a callback that is a self-test."""
    return _signer().sign(str(uuid)).partition(":")[2]


def opens(uuid: UUID, key: str) -> bool:
    """Return whether this is a valid key of a self-test."""
    try:
        return _signer().unsign(f"{uuid}:{key}", max_age=MAX_AGE) == str(uuid)
    except BadSignature:
        return False


def proof(challenge: bytes) -> str:
    """Return the answer to a challenge that only this installation can compute."""
    return salted_hmac("videos.self_test.proof", challenge, algorithm="sha256").hexdigest()


def origin_proof(nonce: str, scheme: str, host: str) -> str:
    """Return the proof that a request with this nonce arrived with this scheme and Host."""
    default_port = {"http": ":80", "https": ":443"}[scheme]
    return proof(f"{nonce} {scheme}://{host.lower().removesuffix(default_port)}".encode("utf-8", "replace"))


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="videos.self_test")
