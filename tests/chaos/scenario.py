"""Members, kills and disruptions at the same time."""

import random
from dataclasses import dataclass

from .disruptions import Disruptions
from .killer import Killer
from .members import Members
from .threads import Threads


@dataclass
class Scenario:
    """What runs at the same time; everything random depends on the seed."""

    members: Members
    killer: Killer
    disruptions: Disruptions
    seed: int

    def run(self, usernames: tuple[str, ...], generations: int, kills: int, rounds: int, seconds: float) -> None:
        """Request generations, kill processes and cause each disruption `rounds` times, for so many seconds."""
        shares = [generations // len(usernames)] * len(usernames)
        shares[0] += generations - sum(shares)
        threads = Threads()
        for username, share in zip(usernames, shares, strict=True):
            threads.start(self.members.submit, username, share, seconds, random.Random(f"{self.seed} {username}"))
        threads.start(self.killer.run, kills, seconds, random.Random(self.seed))
        threads.start(self.disruptions.run, rounds, seconds, random.Random(f"{self.seed} disruptions"))
        threads.join()
