"""The storm: members who submit, a killer, and those who watch how long it takes to recover."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from django.db import close_old_connections, connections

from videos.models import Event, Generation, Heartbeat, Lease

from ..support.cookies import cookie_named
from ..support.installation import PASSWORD, Installation
from .processes import Target, Tree, strike
from .trouble import Troubles

# What is killed, by turns. For the first list the killer waits for a moment in which a POST is under way.
DURING_A_POST = [
    "worker talking",
    "worker talking",
    "worker cluster",
    "worker talking",
    "sandbox",
    "worker talking",
    "worker talking",
    "worker cluster",
    "worker talking",
]
AT_ANY_TIME = [
    "web master",
    "media talking",
    "ticker",
    "web worker",
    "media cluster",
    "sandbox",
    "worker process",
    "web worker",
    "ticker",
    "media process",
    "worker sentinel",
]
# An idle queue process may hold the lock of its queue, which the watchdog notices after 45 s; what was being saved
# waits for its lease of a minute.
GENTLE = ["web master", "ticker", "web worker", "sandbox"]
SURELY_ARRIVED = timedelta(seconds=0.2)  # a POST that began so long ago
WAIT_FOR_A_POST = 12.0  # seconds
WAIT_FOR_RECOVERY = 120.0  # seconds
SUBJECTS = ("a fox in the snow", "rain on a tin roof", "a lighthouse at dusk", "paper boats", "a red kite", "two moons")


@dataclass
class Kill:
    """One kill: the state it hit, and after how many seconds what was killed worked again."""

    what: str
    pid: int
    leader: int  # of the program it belonged to
    at: float
    state: str
    rows: list[uuid.UUID] = field(default_factory=list)  # that were being sent, and still were after the kill
    recovered: float | None = None


@dataclass
class Storm:
    """What happened: generations asked for, kills, and how often the web server could not be reached."""

    house: Installation
    seed: int
    kills: list[Kill] = field(default_factory=list)
    asked: int = 0
    unreachable: int = 0
    gentle: bool = False  # no kills that take a minute to get over
    polled: bool = False  # without callbacks the audit knows a request by its prompt, so there are no takes of one
    failures: list[BaseException] = field(default_factory=list)

    def rage(
        self, members: list[str], generations: int, kills: int, seconds: float, troubles: Troubles, rounds: int
    ) -> None:
        """Submit, kill and make trouble for so long; raise what went wrong in a thread."""
        share = [generations // len(members)] * len(members)
        share[0] += generations - sum(share)
        threads = [
            self._thread(self._submit, name, number, seconds, random.Random(f"{self.seed} {name}"))
            for name, number in zip(members, share, strict=True)
        ]
        threads.append(self._thread(self._kill, kills, seconds, random.Random(self.seed)))
        threads.append(self._thread(troubles.rage, rounds, seconds, random.Random(f"{self.seed} trouble")))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for kill in self.kills:
            if kill.recovered is None:
                kill.recovered = float("nan")
        if self.failures:
            raise ExceptionGroup("the storm itself went wrong", self.failures)

    def _thread(self, work: Callable, *given) -> threading.Thread:
        def run() -> None:
            try:
                work(*given)
            except BaseException as error:
                self.failures.append(error)
            finally:
                connections.close_all()

        return threading.Thread(target=run, name=work.__name__, daemon=True)

    # ── Members ─────────────────────────────────────────────────────────────────────────────────────────

    def _submit(self, username: str, number: int, seconds: float, luck: random.Random) -> None:
        """Ask for so many generations, evenly spread; what is not answered is sent again with the same key."""
        began = time.monotonic()
        patience = began + seconds + 120
        with httpx.Client(base_url=self.house.url, timeout=10, trust_env=False) as http:
            self._until_answered(lambda: http.get("/login/"), patience)
            answer = self._until_answered(lambda: self._post(http, "/login/", username=username), patience)
            assert answer.status_code == 302, answer.text
            done = 0
            while done < number:
                time.sleep(max(0.0, began + seconds * done / number - time.monotonic()))
                takes = 1 if self.polled else min(luck.choice((1, 1, 1, 1, 2, 3)), number - done)
                fields = {"submission_key": str(uuid.UUID(int=luck.getrandbits(128), version=4)), "count": str(takes)}
                fields |= {"prompt": f"{luck.choice(SUBJECTS)}, {username}'s {done}", "mode": "text"}
                parent = luck.random() < 0.08 and self._something_to_extend(luck)
                if parent:
                    fields |= {"mode": "extend", "action": "extend", "video_id": parent}
                answer = self._until_answered(lambda asked=fields: self._post(http, "/generations/", **asked), patience)
                assert answer.status_code in (200, 302), answer.text
                done += takes
                self.asked += takes

    def _post(self, http: httpx.Client, path: str, **fields: str) -> httpx.Response:
        secret = {"csrfmiddlewaretoken": cookie_named(http, "csrf")[1]}
        login = {"password": PASSWORD} if path == "/login/" else {}
        return http.post(path, data=fields | login | secret)

    def _until_answered(self, ask: Callable[[], httpx.Response], patience: float) -> httpx.Response:
        """A person's patience: the same request again until the server is back."""
        while True:
            try:
                answer = ask()
                if answer.status_code < 500:
                    return answer
                reason = f"{answer.status_code}: {answer.text[:500]}"
            except httpx.TransportError as error:
                reason = repr(error)
            self.unreachable += 1
            assert time.monotonic() < patience, f"the web server stays away: {reason}"
            time.sleep(0.5)

    def _something_to_extend(self, luck: random.Random) -> str:
        close_old_connections()
        ids = list(Generation.objects.filter(state="completed").values_list("video_id", flat=True)[:50])
        return luck.choice(ids) if ids else ""

    # ── The killer ──────────────────────────────────────────────────────────────────────────────────────

    def _kill(self, number: int, seconds: float, luck: random.Random) -> None:
        """Kill so many times in the time given."""
        anytime = GENTLE if self.gentle else AT_ANY_TIME
        plan = [
            (DURING_A_POST[turn // 2 % len(DURING_A_POST)], True)
            if turn % 2 == 0
            else (anytime[turn // 2 % len(anytime)], False)
            for turn in range(number)
        ]
        luck.shuffle(plan)
        began, gap = time.monotonic(), seconds / (number + 1)
        watchers = []
        for turn, (what, during_a_post) in enumerate(plan):
            due = began + gap * (turn + luck.uniform(0.6, 1.4))
            time.sleep(max(0.0, due - time.monotonic()))
            kill = self._strike(what, during_a_post, luck)
            if kill:
                watchers.append(self._thread(self._watch, kill))
                watchers[-1].start()
            elif len(plan) < 2 * number:
                plan.append((what, during_a_post))  # the target exited before the kill: repeat it later
        for watcher in watchers:
            watcher.join()

    def _strike(self, what: str, during_a_post: bool, luck: random.Random) -> Kill | None:
        """Find what is to be killed, wait for the moment, kill; None when there was nothing of the kind."""
        deadline = time.monotonic() + WAIT_FOR_A_POST
        while True:
            close_old_connections()
            found = Tree(self._root).targets(self.house.sandbox_port).get(what, [])
            being_sent = self._being_sent()
            if found and (not during_a_post or (being_sent and not (self.gentle and self._may_not_have_arrived()))):
                break
            if time.monotonic() > deadline:
                if not found and what.endswith("talking"):
                    what = what.replace("talking", "cluster")
                    deadline += WAIT_FOR_A_POST
                    continue
                if not found:
                    return None
                break
            time.sleep(0.01)
        return self._note(luck.choice(found))

    def _note(self, target: Target) -> Kill | None:
        open_before = Generation.objects.filter(state="processing").exists()
        saving = Generation.objects.filter(archive="remote").exists()
        leader = Tree(self._root).program(target.what.partition(" ")[0]) or 0
        at = time.time()
        if not strike(target, self._root):
            return None
        takes_part = target.what in ("worker talking", "worker cluster", "sandbox")
        # Claimed by then and no further: also what was claimed between the look for the moment and the kill.
        hit = sorted(self._being_sent(submitted_at__lte=datetime.now(UTC))) if takes_part else []
        if hit:
            state = "submitting"
        elif target.what.startswith("media") and saving:
            state = "saving"
        else:
            state = "processing" if open_before else "at rest"
        kill = Kill(target.what, target.pid, leader, at, state, hit)
        self.kills.append(kill)
        return kill

    @property
    def _root(self) -> int:
        assert self.house.process is not None
        return self.house.process.pid

    def _being_sent(self, **which) -> set[uuid.UUID]:
        return set(Generation.objects.filter(state="submitting", **which).values_list("uuid", flat=True))

    def _may_not_have_arrived(self) -> bool:
        """Whether a kill now could leave a row of which no callback will ever tell."""
        lately = datetime.now(UTC) - SURELY_ARRIVED
        return Generation.objects.filter(state="submitting", submitted_at__gt=lately).exists()

    # ── Recovery ────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, kill: Kill) -> None:
        """Time how long what was killed stays away, by a sign that only it can give."""
        works = self._sign_of_life(kill)
        deadline = time.monotonic() + WAIT_FOR_RECOVERY
        while time.monotonic() < deadline:
            close_old_connections()
            if works():
                kill.recovered = time.time() - kill.at
                return
            time.sleep(0.1)

    def _sign_of_life(self, kill: Kill) -> Callable[[], bool]:
        since = datetime.fromtimestamp(kill.at, UTC)
        if kill.what.startswith(("worker", "media")):
            # Its work goes on, or its heartbeat where there is none; the latter may be another process's of the pool.
            program, cluster = ("worker", "lumaweb") if kill.what.startswith("worker") else ("media", "media")
            kinds = ("claimed",) if program == "worker" else ("saved", "save_failed")
            fresh = kill.leader and kill.what.endswith(("cluster", "sentinel"))
            return lambda: (
                not (fresh and Tree(self._root).program(program) in (None, kill.leader))
                and (
                    Event.objects.filter(kind__in=kinds, at__gt=since).exists()
                    or Heartbeat.objects.of(cluster).filter(at__gt=since).exists()
                )
            )
        if kill.what == "ticker":
            # The lease says until when: renewed after the kill means that somebody ticks again.
            before = Lease.objects.values_list("until", flat=True).filter(name="ticker").first()
            return lambda: Lease.objects.filter(name="ticker", until__gt=before).exists()
        program = "web" if kill.what.startswith("web") else "sandbox"
        port = self.house.port if program == "web" else self.house.sandbox_port
        # A dead master's workers answer for a moment: it must be a new one that answers.
        return lambda: Tree(self._root).program(program) not in (None, kill.pid) and _answers(port)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
