from datetime import timedelta

from django.db import models
from django.db.models import Q

from .database_clock import database_now

SKEW = timedelta(minutes=1)  # by which the clocks of two machines may differ


class LeaseQuerySet(models.QuerySet["Lease"]):
    def acquire(self, name: str, holder: str, seconds: float) -> bool:
        """Acquire or renew the lease by one conditional UPDATE; return False while another holder has it."""
        now = database_now()
        self.get_or_create(name=name, defaults={"holder": "", "until": now - timedelta(days=1)})
        # A lease that ends later than possible was taken before a clock was set back.
        longest = timedelta(seconds=seconds) + SKEW
        free = Q(holder=holder) | Q(until__lt=now) | Q(until__gt=now + longest)
        return bool(self.filter(free, name=name).update(holder=holder, until=now + timedelta(seconds=seconds)))

    def release(self, name: str, holder: str) -> None:
        self.filter(name=name, holder=holder).update(until=database_now() - timedelta(days=1))


class Lease(models.Model):
    """A lease on work that one machine at a time may do, such as the sweep. Its times are by the database's clock."""

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.CharField(max_length=100)
    until = models.DateTimeField()

    objects = LeaseQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
