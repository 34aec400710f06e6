import hashlib
import socket
from collections.abc import Iterable
from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from .database_clock import database_now

REGISTER_EVERY = 30.0  # seconds
GONE_AFTER = timedelta(seconds=100)


def fingerprint(secret: str) -> str:
    """Return a short digest that tells two secrets apart and reveals neither."""
    return salted_hmac("videos.machine.fingerprint", "", secret=secret, algorithm="sha256").hexdigest()[:16]


class MachineQuerySet(models.QuerySet["Machine"]):
    def register(self, parts: Iterable[str]) -> None:
        """Record that these parts of `serve` run on this machine, and with which keys and clock."""
        before, now, after = timezone.now(), database_now(), timezone.now()
        facts = {
            "host": socket.gethostname()[:60],
            "parts": ", ".join(parts)[:60],
            "seen_at": now,
            "version": settings.VERSION[:40],
            "secret_key": fingerprint(settings.SECRET_KEY),
            "encryption_keys": [fingerprint(key) for key in settings.ENCRYPTION_KEYS],
            "clock_offset": (before + (after - before) / 2 - now).total_seconds(),
        }
        self.update_or_create(name=name_here(parts), defaults=facts)
        self.filter(seen_at__lt=now - timedelta(days=1)).delete()

    def unregister(self, parts: Iterable[str]) -> None:
        self.filter(name=name_here(parts)).delete()

    def running(self) -> Self:
        """Select the machines that were seen lately, by the database's clock."""
        return self.filter(seen_at__gt=database_now() - GONE_AFTER).order_by("name")


class Machine(models.Model):
    """A machine that runs parts of this installation. Its `serve` process renews the row."""

    name = models.CharField(max_length=120, primary_key=True)
    host = models.CharField(max_length=60)
    parts = models.CharField(max_length=60)
    seen_at = models.DateTimeField(help_text="By the database's clock.")
    version = models.CharField(max_length=40)
    secret_key = models.CharField(max_length=16, help_text="A fingerprint.")
    encryption_keys = models.JSONField(default=list, help_text="Fingerprints, the newest first.")
    clock_offset = models.FloatField(default=0.0, help_text="Seconds by which its clock is ahead of the database's.")

    objects = MachineQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.host} ({self.parts})"


def name_here(parts: Iterable[str]) -> str:
    """Name these parts on this machine, unique to the host and to the data folder."""
    host = socket.gethostname()
    place = hashlib.sha256(f"{host}:{settings.DATA_DIR}".encode()).hexdigest()[:8]
    return f"{host[:50]}-{place}/{'+'.join(parts)}"[:120]
