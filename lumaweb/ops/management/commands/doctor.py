import json
import sys
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lumaweb.ops import doctor


class Command(BaseCommand):
    help = (
        "Check this installation from end to end, and say what is wrong and how to fix it. It costs nothing and "
        "changes nothing. Exit status 1 if a check fails."
    )
    # The settings check runs them and reports them with the other findings.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--offline", action="store_true", help="Contact nothing outside this installation.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for name, finding in doctor.run_checks(offline=options["offline"]):
            # The keys are the output's format, which scripts read.
            texts = {"words": finding.message, "mend": finding.fix}
            found.append({"look": name, "level": finding.level, "code": finding.code, "title": finding.title} | texts)
            if not options["json"]:
                self._print(name, finding)
        levels = Counter(finding["level"] for finding in found)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not levels["fail"], "findings": found}, indent=2, ensure_ascii=False))
        elif levels["fail"] or levels["warn"]:
            self.stdout.write(f"\n{levels['fail']} failed, {levels['warn']} warnings.")
        else:
            self.stdout.write("\nAll checks passed.")
        if levels["fail"]:
            sys.exit(1)

    def _print(self, name: str, finding: doctor.Finding) -> None:
        # Colours appear on a terminal only; the level is always printed.
        style = {"ok": self.style.SUCCESS, "warn": self.style.WARNING, "fail": self.style.ERROR}.get(finding.level)
        self.stdout.write(f"{finding.level:<4}  {name}: {finding.message}", style)
        if finding.fix:
            self.stdout.write(f"      → {finding.fix}")
        self.stdout.flush()
