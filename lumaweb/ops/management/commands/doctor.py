import json
import sys
from collections import Counter
from dataclasses import asdict

from django.core.management.base import BaseCommand

from lumaweb.ops import doctor


class Command(BaseCommand):
    help = (
        "Look this installation over from end to end, and say what is wrong and how to mend it. Nothing is paid for "
        "and nothing is changed. Exit status 1 where something does not work."
    )
    # What they would stop at is told with the rest.
    requires_system_checks = []

    def add_arguments(self, parser) -> None:
        parser.add_argument("--offline", action="store_true", help="Ask nobody beyond this installation.")
        parser.add_argument("--json", action="store_true", help="For a machine to read.")

    def handle(self, *args, **options) -> None:
        found = []
        for name, finding in doctor.examine(offline=options["offline"]):
            found.append({"look": name} | asdict(finding))
            if not options["json"]:
                self.tell(name, finding)
        levels = Counter(finding["level"] for finding in found)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not levels["fail"], "findings": found}, indent=2, ensure_ascii=False))
        elif levels["fail"] or levels["warn"]:
            self.stdout.write(f"\n{levels['fail']} to mend, {levels['warn']} to look at.")
        else:
            self.stdout.write("\nAll is well.")
        if levels["fail"]:
            sys.exit(1)

    def tell(self, name: str, finding: doctor.Finding) -> None:
        # A style is only used on a terminal; the word is there without it.
        style = {"ok": self.style.SUCCESS, "warn": self.style.WARNING, "fail": self.style.ERROR}.get(finding.level)
        self.stdout.write(f"{finding.level:<4}  {name}: {finding.words}", style)
        if finding.mend:
            self.stdout.write(f"      → {finding.mend}")
        self.stdout.flush()
