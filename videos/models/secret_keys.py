import hashlib
import secrets


def new_key() -> str:
    """Return an unguessable key for a link, safe in URLs."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key in hex, which is stored instead of the key."""
    return hashlib.sha256(key.encode()).hexdigest()
