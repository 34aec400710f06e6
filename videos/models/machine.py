import hashlib
import socket
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

SKEW = timedelta(minutes=1)  # by which the clocks of two machines may differ


class LeaseQuerySet(models.QuerySet):
    def take(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the lease; False while another holder has it. One UPDATE decides."""
        now = timezone.now()
        self.get_or_create(name=name, defaults={"holder": "", "until": now - timedelta(days=1)})
        # A lease that ends later than any can was taken before the clock was set back.
        longest = timedelta(seconds=seconds) + SKEW
        free = models.Q(holder=holder) | models.Q(until__lt=now) | models.Q(until__gt=now + longest)
        return bool(self.filter(free, name=name).update(holder=holder, until=now + timedelta(seconds=seconds)))

    def give_back(self, name: str, holder: str) -> None:
        self.filter(name=name, holder=holder).update(until=timezone.now() - timedelta(days=1))


class Lease(models.Model):
    """Who does what only one machine may do at a time: the ticker's sweep."""

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.CharField(max_length=100)
    until = models.DateTimeField()

    objects = LeaseQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


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

    def forget_the_gone(self) -> None:
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
