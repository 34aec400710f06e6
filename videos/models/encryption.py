"""Encrypt the secrets of the provider that are stored, with the keys of this installation."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Undecryptable(Exception):
    """No encryption key of this installation decrypts a stored secret."""


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(secret: str) -> bytes:
    """Encrypt with the newest key."""
    return _fernet().encrypt(secret.encode())


def decrypt(encrypted: bytes | memoryview) -> str:
    """Decrypt with any of the keys; raise Undecryptable."""
    try:
        return _fernet().decrypt(bytes(encrypted)).decode()
    except InvalidToken:
        raise Undecryptable from None
