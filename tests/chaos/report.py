"""Prints the result of a run: tables, violations and one JSON object."""

from collections import Counter
from statistics import median

from django.db.models import Min

from videos.models import Generation

from .audit import Findings
from .killer import Kill
from .members import Members

STATES = ("submitting", "saving", "processing", "at rest")


def print_tables(kills: list[Kill], members: Members, findings: Findings, settled_seconds: float) -> None:
    _print_kills(kills)
    for title, counts in (
        ("outcomes:", findings.outcomes),
        ("POSTs received:", findings.posts),
        ("faults:", findings.faults),
    ):
        print(f"{title:<18}{', '.join(f'{name} {number}' for name, number in counts.most_common())}")
    print(f"web server down:  members repeated {members.unanswered} requests")
    print(f"settled:          {settled_seconds:.0f} s after the last request and the last kill")
    print("\nfrom the result at the provider to its record, s")
    for via, seconds in sorted(findings.delays.items()):
        print(f"  by {via:<9}{len(seconds):>5}:  {_distribution(seconds)}")
    waits = _seconds_to_first_claim()
    print(f"from the request to its first claim, s\n  {'':<12}{len(waits):>5}:  {_distribution(waits)}")
    print(f"\nunconfirmed, and the outcome cannot be known: {len(findings.unconfirmed)}")
    for case in findings.unconfirmed:
        print(f"  {case}")


def print_violations(violations: dict[str, list[str]]) -> None:
    for kind, cases in violations.items():
        print(f"\nVIOLATED {kind}:", *cases, sep="\n  ")


def _print_kills(kills: list[Kill]) -> None:
    print(f"\n{'killed':<18}{'times':>6}", *(f"{state:>11}" for state in STATES), "   works again after, s", sep="")
    for target in sorted({kill.target for kill in kills}):
        of_target = [kill for kill in kills if kill.target == target]
        states = Counter(kill.state for kill in of_target)
        recoveries = sorted(kill.recovery_seconds for kill in of_target)
        print(
            f"{target:<18}{len(of_target):>6}",
            *(f"{states[state] or '·':>11}" for state in STATES),
            f"   median {median(recoveries):.1f}, max {recoveries[-1]:.1f}",
            sep="",
        )
    print(f"{'all':<18}{len(kills):>6}\n")


def _distribution(seconds: list[float]) -> str:
    ordered = sorted(seconds) or [float("nan")]
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"median {median(ordered):.2f}, p95 {p95:.2f}, max {ordered[-1]:.2f}"


def _seconds_to_first_claim() -> list[float]:
    generations = Generation.objects.filter(events__kind="claimed").annotate(claimed_at=Min("events__at"))
    return [(generation.claimed_at - generation.created_at).total_seconds() for generation in generations]
