import http.client
import os
import sys
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils import timezone

from lumaweb import data_lock, logs, permissions
from lumaweb.ops.management.preparation import prepare
from lumaweb.ports import reserve_port
from lumaweb.sqlite.base import lock_wait_limit
from lumaweb.supervisor.program import Program
from lumaweb.supervisor.supervisor import Supervisor
from videos.jobs import queue
from videos.jobs.unsaved import recover
from videos.models import ApiToken, Generation, Heartbeat, Member
from videos.views.account import setup_code

PARTS = ("sandbox", "web", "worker", "ticker")
SANDBOX = "Sandbox"
SANDBOX_TOKEN = "sandbox"
SANDBOX_IN_FLIGHT = 100  # it has no limit of its own
ASK_EVERY = 15.0  # seconds between two requests for a heartbeat
LATE = timedelta(seconds=20)
SEVERAL = 4  # requests at once, when other machines were faster
WATCHDOG = "watchdog"  # the name of its own stamp, by which it learns whether the database takes any
PROBE_WAIT = 2.0  # seconds for the database's write lock


class Command(BaseCommand):
    help = (
        "Run everything of this installation in the foreground: web server, workers, ticker and, while no "
        "other provider is configured, the sandbox."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--only", nargs="+", choices=PARTS, metavar="PART", help=f"Run these only: {', '.join(PARTS)}."
        )
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="Migrate the database and collect static files first, once the data directory and ports are taken.",
        )

    def handle(self, *args, **options) -> None:
        given: list[str] = options["only"] or list(PARTS)
        # Workers run once in a data directory, as they mark there that they stop; so does the sandbox with its ledger.
        with data_lock.shared(*({"worker"} & set(given))), ExitStack() as ports:
            if "web" in given:
                ports.enter_context(reserve_port(settings.HOST, settings.PORT, "PORT"))
            # Until here nothing was changed, and what is looked at next changes nothing either.
            sandbox = "sandbox" in (options["only"] or ()) or not (options["only"] or other_provider_is_named())
            with data_lock.shared(*(["sandbox"] if sandbox else [])):
                if sandbox:
                    port = int(settings.SANDBOX_URL.rpartition(":")[2])
                    ports.enter_context(reserve_port("127.0.0.1", port, "SANDBOX_PORT"))
                permissions.tighten(settings.DATA_DIR, None if settings.BUCKET else settings.MEDIA_ROOT)
                if options["prepare"]:
                    prepare()
                self._settle()
                parts = [part for part in given if part != "sandbox" or sandbox]
                if "worker" in parts:
                    settings.WORKERS_STOPPING.unlink(missing_ok=True)
                    recover()
                connections.close_all()
                # Modules are found from here; what the environment says about files was read where we were started.
                os.chdir(settings.BASE_DIR)
                self.stdout.flush()
                ports.close()
                sys.exit(supervisor_of(parts).run())

    def _settle(self) -> None:
        """Bring members, tokens and keys to what the environment says."""
        require_migrated()
        create_first_admin()
        if not Member.objects.exists() and (code := setup_code()):
            self.stdout.write(as_logged(f"The first visit asks for this one-time code: {code}"))
        choose_provider()
        for line in check_keys():
            self.stderr.write(as_logged(line))


def supervisor_of(parts: list[str]) -> Supervisor:
    return Supervisor(
        programs(parts),
        responds=web_responds if "web" in parts else lambda: True,
        ready_line=f"Lumaweb is ready at {settings.LOCAL_URL}/"
        if "web" in parts
        else f"Lumaweb is ready: {', '.join(parts)}",
        on_stop=settings.WORKERS_STOPPING.touch if "worker" in parts else lambda: None,
        format_line=logs.as_json if settings.LOG_FORMAT == "json" else None,
    )


def as_logged(line: str) -> str:
    return logs.as_json("serve", line.encode()).decode() if settings.LOG_FORMAT == "json" else line


def require_migrated() -> None:
    """Stop the start in words where the tables are of another version than the code."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError(
            "The database is not up to date. Run `manage.py migrate` once (where there are several machines, on one "
            "of them), then start again."
        )


def create_first_admin() -> None:
    """Make the admin the environment names, if there is no member yet."""
    name, password = settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD
    if bool(name) != bool(password):
        raise CommandError("Set both LUMAWEB_ADMIN_USERNAME and LUMAWEB_ADMIN_PASSWORD, or neither.")
    if not name or Member.objects.exists():
        return
    try:
        Member(username=name).clean_fields(exclude=["password"])
        with transaction.atomic():
            Member.objects.create_superuser(name, password=password)
    except ValidationError as error:
        raise CommandError(f"LUMAWEB_ADMIN_USERNAME is {name!r}: {' '.join(error.messages)}") from None
    except IntegrityError:
        if not Member.objects.filter(username=name).exists():  # else another machine was faster
            raise


def other_provider_is_named() -> bool:
    """Return whether the environment or an enabled token names a provider other than the sandbox; change nothing."""
    if settings.LUMA_BASE_URL_GIVEN or settings.FIRST_TOKEN:
        return True
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return False  # a look would create the file
    if ApiToken._meta.db_table not in connection.introspection.table_names():
        return False
    tokens = ApiToken.objects.filter(enabled=True)
    # A sandbox that listened elsewhere in an earlier run is no provider either.
    former = Q(name=SANDBOX, base_url__startswith="http://127.0.0.1:")
    return tokens.exclude(Q(base_url=settings.SANDBOX_URL) | former).exists()


def choose_provider() -> bool:
    """See to the tokens the environment implies; answer whether the sandbox is the provider.

    It is while no other was ever named: neither by the environment nor by an enabled token.
    """
    at_sandbox = ApiToken.objects.filter(base_url=settings.SANDBOX_URL)
    # A sandbox that listened elsewhere in an earlier run is no provider either.
    former = ApiToken.objects.filter(name=SANDBOX, base_url__startswith="http://127.0.0.1:").exclude(
        base_url=settings.SANDBOX_URL
    )
    for token in former:
        token.set_enabled(False, None, ", as the sandbox listens elsewhere now")
        # It is the same sandbox, which what waits was asked of.
        Generation.objects.filter(state="queued", asked_of=token.base_url).update(asked_of=settings.SANDBOX_URL)
    others = at_sandbox
    if settings.FIRST_TOKEN:
        first, is_new = ApiToken.objects.take_over(settings.LUMA_BASE_URL, settings.FIRST_TOKEN, "First token")
        if is_new:
            others = ApiToken.objects.exclude(base_url=first.base_url)
    if other_provider_is_named():
        paused = settings.LUMA_BASE_URL != settings.SANDBOX_URL and [
            token for token in others if token.set_enabled(False, None, ", as there is another provider now")
        ]
        if paused:
            # What was asked of another cannot be claimed for the provider that follows. Everybody is to see it at once.
            Generation.objects.hold(but=settings.LUMA_BASE_URL)
        return False
    ApiToken.objects.take_over(settings.SANDBOX_URL, SANDBOX_TOKEN, SANDBOX, max_in_flight=SANDBOX_IN_FLIGHT)
    for token in at_sandbox:
        token.set_enabled(True, None, ", as there is no other provider")
    return True


def check_keys() -> list[str]:
    """Whether the encryption keys open what is stored; stop the start where they open nothing of it.

    Where they open some, the others wait for an admin: the videos that are here can be seen, and new ones be made.
    """
    closed = ApiToken.objects.unreadable()
    ApiToken.objects.mend_readable()
    if not closed:
        return []
    names = ", ".join(f"“{token.name}”" for token in closed)
    mend = (
        "Put the key they were stored with back into LUMAWEB_ENCRYPTION_KEYS (or the data directory's encryption-keys)"
    )
    if len(closed) == ApiToken.objects.count():
        raise CommandError(
            f"The encryption keys open none of the stored API tokens: {names}. {mend} and start again. If that key is "
            "lost for good, start once with LUMAWEB_LUMA_TOKEN set to a token, and enter the others again in the admin."
        )
    return [
        f"The encryption keys do not open these API tokens: {names}. {mend}, or give them a new secret in the admin."
    ]


def programs(parts: list[str]) -> list[Program]:
    """The processes of these parts. The sandbox stops last: the workers may still wait for its answers."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    # Resolved where we were started, and the same for all.
    env = {"LUMAWEB_DATA_DIR": str(settings.DATA_DIR)}
    probe = HeartbeatProbe()
    every = {
        "sandbox": [
            Program("sandbox", [sys.executable, "-m", "videos.sandbox"], env, outlives_others=True),
        ],
        "web": [
            Program(
                "web",
                [sys.executable, "-m", "lumaweb.server"],
                env,
            ),
        ],
        "worker": [
            # By the environment: django-q2 reads its settings before it reads its --name.
            Program(name, [*manage, "qcluster"], env | {"Q_CLUSTER_NAME": cluster}, partial(probe, cluster))
            for name, cluster in (("worker", queue.SUBMISSIONS), ("media", queue.MEDIA))
        ],
        "ticker": [Program("ticker", [*manage, "sweep"], env)],
    }
    return [program for part in PARTS if part in parts for program in every[part]]


class HeartbeatProbe:
    """Look at the stamp of a cluster's heartbeat on this machine, and keep asking for the next one.

    Asked for here and not by the ticker alone: its lease may be another machine's, or a dead one's for
    a while, and a cluster nobody asks must not be taken for a stuck one.
    """

    def __init__(self) -> None:
        self._asked = -ASK_EVERY
        self._changed: dict[str, tuple[datetime | None, float]] = {}

    def __call__(self, cluster: str) -> datetime | None:
        """Return the stamp; raise django.db.Error while the database does not take any, which is nobody's fault."""
        try:
            with lock_wait_limit(PROBE_WAIT):
                return self._look(cluster)
        finally:
            connections.close_all()

    def _look(self, cluster: str) -> datetime | None:
        at = Heartbeat.objects.here(cluster).values_list("at", flat=True).first()
        known, since = self._changed.get(cluster, (None, 0.0))
        if at != known or not since:
            self._changed[cluster] = at, time.monotonic()
        elif time.monotonic() - since > LATE.total_seconds():
            # A worker that waits for a locked or full database, perhaps with answers in its hands, is not stuck.
            Heartbeat.stamp(WATCHDOG)
        if time.monotonic() - self._asked >= ASK_EVERY:
            queue.beat_later()
            self._asked = time.monotonic()
        recently = timezone.now() - LATE
        if (not at or at < recently) and Heartbeat.objects.of(cluster).filter(at__gt=recently).exists():
            # The queue is shared, and the machines that have stamped took what was meant for ours by chance.
            queue.beat_later(SEVERAL)
        return at


def web_responds() -> bool:
    """Whether the web server answers at all; what it thinks of our host name does not matter here."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)
    connection = http.client.HTTPConnection(host, settings.PORT, timeout=2)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
