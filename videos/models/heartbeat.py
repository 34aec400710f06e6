import hashlib
import socket
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone


class HeartbeatQuerySet(models.QuerySet):
    def of(self, cluster: str) -> "HeartbeatQuerySet":
        """The stamps of a cluster on all machines, the latest first."""
        return self.filter(name__startswith=f"{cluster}@").order_by("-at")

    def here(self, cluster: str) -> "HeartbeatQuerySet":
        """The stamp of this machine's part of it."""
        return self.filter(name=_here(cluster))

    def lately(self) -> "HeartbeatQuerySet":
        """Stamps of the last minute: whoever made one may still be running."""
        return self.filter(at__gt=timezone.now() - timedelta(seconds=60))

    def delete_stale(self) -> None:
        """Machines come and go; one that is back stamps again."""
        self.filter(at__lt=timezone.now() - timedelta(days=1)).delete()


class Heartbeat(models.Model):
    """When code last ran in a worker of this cluster on one machine. Only a worker stamps it."""

    name = models.CharField(max_length=50, primary_key=True)
    at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"

    @staticmethod
    def name_here(cluster: str) -> str:
        """The name of this machine's part of a cluster."""
        return _here(cluster)

    @classmethod
    def stamp(cls, cluster: str) -> None:
        cls.objects.update_or_create(name=_here(cluster), defaults={"at": timezone.now()})


def _here(cluster: str) -> str:
    """Its name on this machine: two installations on one host, and two hosts with one folder, are told apart."""
    host = socket.gethostname()
    place = hashlib.sha256(f"{host}:{settings.DATA_DIR}".encode()).hexdigest()[:8]
    return f"{cluster}@{host[:30]}-{place}"
