from datetime import timedelta

from django.db import models
from django.utils import timezone


class LeaseQuerySet(models.QuerySet):
    def take(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the lease; False while another holder has it. One UPDATE decides."""
        now = timezone.now()
        self.get_or_create(name=name, defaults={"holder": "", "until": now - timedelta(days=1)})
        free = models.Q(holder=holder) | models.Q(until__lt=now)
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


class Heartbeat(models.Model):
    """When code last ran in a worker of this cluster. Only a worker stamps it."""

    name = models.CharField(max_length=50, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"

    @classmethod
    def stamp(cls, name: str) -> None:
        cls.objects.update_or_create(name=name, defaults={"at": timezone.now()})
