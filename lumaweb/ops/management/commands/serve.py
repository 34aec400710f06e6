import os
import sys
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from lumaweb import data_lock, logs, permissions
from lumaweb.environment.rules import unknown_names
from lumaweb.ops.preparation import prepare
from lumaweb.ops.programs import PARTS, check_sandbox, supervisor
from lumaweb.ops.provider_choice import choose_provider, needs_sandbox
from lumaweb.ops.proxy_warning import proxy_checked
from lumaweb.ops.registration import registered
from lumaweb.ops.startup import check_keys, create_first_admin, database_errors_in_words, require_migrated
from lumaweb.ports import reserve_port
from videos.jobs.outcome_recorder import recover_spool
from videos.models import Member
from videos.views.account import setup_code


class Command(BaseCommand):
    help = (
        "Run all processes of this installation in the foreground: web server, workers, ticker and, while no other "
        "provider is configured, the sandbox."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", nargs="+", choices=PARTS, metavar="PART", help=f"Run only these parts: {', '.join(PARTS)}."
        )
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="First migrate the database and collect the static files.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted: list[str] = options["only"] or list(PARTS)
        self._say(f"Lumaweb {settings.VERSION}")
        for warning in (*settings.ENV_FILE_WARNINGS, *unknown_names()):
            self.stderr.write(_formatted(warning))
        # Workers run once per data directory, where they record that they stop; so does the sandbox with its ledger.
        with data_lock.shared(*({"worker"} & set(wanted))), ExitStack() as ports, database_errors_in_words():
            if "web" in wanted:
                ports.enter_context(reserve_port(settings.HOST, settings.PORT, "PORT"))
            # Nothing has been changed so far, and this check changes nothing either.
            sandbox = "sandbox" in (options["only"] or ()) or (not options["only"] and needs_sandbox())
            with data_lock.shared(*(["sandbox"] if sandbox else [])):
                if sandbox:
                    check_sandbox()
                    port = int(settings.SANDBOX_URL.rpartition(":")[2])
                    ports.enter_context(reserve_port("127.0.0.1", port, "SANDBOX_PORT"))
                permissions.tighten(settings.DATA_DIR, None if settings.BUCKET else settings.MEDIA_ROOT)
                if options["prepare"]:
                    prepare(self._say)
                self._initialize()
                parts = [part for part in wanted if part != "sandbox" or sandbox]
                if "worker" in parts:
                    settings.WORKERS_STOPPING.unlink(missing_ok=True)
                    recover_spool()
                connections.close_all()
                # The programs import modules from here. Relative paths in the environment were resolved before.
                os.chdir(settings.BASE_DIR)
                self.stdout.flush()
                ports.close()
                with registered(parts), proxy_checked(parts):
                    status = supervisor(parts).run()
                sys.exit(status)

    def _say(self, line: str) -> None:
        self.stdout.write(_formatted(line))
        self.stdout.flush()

    def _initialize(self) -> None:
        """Apply what the environment says about members, tokens and keys."""
        warnings = require_migrated()
        create_first_admin()
        if not Member.objects.exists() and (code := setup_code()):
            self.stdout.write(_formatted(f"The first visit asks for this one-time code: {code}"))
        choose_provider()
        for warning in warnings + check_keys():
            self.stderr.write(_formatted(warning))


def _formatted(line: str) -> str:
    return logs.as_json("serve", line.encode()).decode() if settings.LOG_FORMAT == "json" else line
