import hashlib
import socket
from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models

from .database_clock import database_now


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def of_cluster(self, cluster: str) -> Self:
        """Select the heartbeats of a cluster on all machines, the latest first."""
        return self.filter(name__startswith=f"{cluster}@").order_by("-at")

    def on_this_machine(self, cluster: str) -> Self:
        """Select the heartbeat of the cluster on this machine."""
        return self.filter(name=_here(cluster))

    def recent(self) -> Self:
        """Select heartbeats of the last minute: those workers may still be running."""
        return self.filter(at__gt=database_now(self.db) - timedelta(seconds=60))

    def delete_stale(self) -> None:
        """Delete heartbeats that are older than a day: a machine that returns creates a new one."""
        self.filter(at__lt=database_now() - timedelta(days=1)).delete()


class Heartbeat(models.Model):
    """When a worker of a cluster on one machine last ran code, by the database's clock. Only workers write it."""

    name = models.CharField(max_length=50, primary_key=True)
    at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"

    @staticmethod
    def name_here(cluster: str) -> str:
        """Return the name of a cluster on this machine."""
        return _here(cluster)

    @classmethod
    def stamp(cls, cluster: str) -> None:
        cls.objects.update_or_create(name=_here(cluster), defaults={"at": database_now()})


def _here(cluster: str) -> str:
    """Name a cluster on this machine, unique to the host and to the data folder."""
    host = socket.gethostname()
    place = hashlib.sha256(f"{host}:{settings.DATA_DIR}".encode()).hexdigest()[:8]
    return f"{cluster}@{host[:30]}-{place}"
