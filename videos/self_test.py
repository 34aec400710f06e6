"""Prove that an address leads to this very installation, without a video: `manage.py doctor` asks, the doors answer.

Only who has the secret key can ask for the rehearsal of a callback, and only who has it can give the proof; both are
good for a minute or two, and open nothing.
"""

from uuid import UUID

from django.core.signing import BadSignature, TimestampSigner
from django.utils.crypto import salted_hmac

GOOD_FOR = 120  # seconds


def key_for(uuid: UUID) -> str:
    """What stands in a callback's address in the place of its key."""
    return _signer().sign(str(uuid)).partition(":")[2]


def opens(uuid: UUID, key: str) -> bool:
    try:
        return _signer().unsign(f"{uuid}:{key}", max_age=GOOD_FOR) == str(uuid)
    except BadSignature:
        return False


def proof(said: bytes) -> str:
    """What only this installation can answer to these bytes."""
    return salted_hmac("videos.self_test.proof", said, algorithm="sha256").hexdigest()


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="videos.self_test")
