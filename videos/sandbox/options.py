"""The settings of one sandbox: command-line options, with environment variables as their defaults."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Any

from .faults import SECTIONS, parse_faults


@dataclass(frozen=True, slots=True)
class Options:
    """Settings; port 0 is any free one, seconds the time from acceptance to a finished video, scale 1 full size."""

    port: int = 8801
    seconds: float = 6.0
    accept_seconds: float = 0.0
    scale: float = 1.0
    faults: dict[str, float] = field(default_factory=dict)
    concurrency: int = 256
    extend: str = "part"
    data: Path = Path("data/sandbox")
    show_ledger: bool = False
    only_check: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    log_level: str = "WARNING"

    @property
    def control_file(self) -> Path:
        return self.data / "control.json"


def parse_options(argv: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> Options:
    """Parse the command line and environment; exit with a message for a wrong value."""
    parser = argparse.ArgumentParser(
        prog="python -m videos.sandbox",
        description="The sandbox provider: the Luma videos API on 127.0.0.1, with real videos and no cost.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(option: str, variable: str, default: str, kind: Callable[[str], Any], text: str) -> None:
        # argparse applies `type` to a string default too, so that a wrong variable is reported like a wrong option.
        parser.add_argument(
            option,
            type=kind,
            default=env.get(variable) or default,
            help=f"{text} ({variable}, {default or 'none'})",
        )

    add("--port", "SANDBOX_PORT", "8801", _port, "where to listen; 0 takes any free port")
    add("--seconds", "SANDBOX_SECONDS", "6", _seconds, "how long a video takes")
    add(
        "--accept-seconds",
        "SANDBOX_ACCEPT_SECONDS",
        "0",
        _seconds,
        "how long the answer to a POST takes",
    )
    add("--scale", "SANDBOX_SCALE", "1", _scale, "scale of the pixels rendered, above 0 and at most 1")
    add("--faults", "SANDBOX_FAULTS", "", _faults, "faults by chance: name=probability,…")
    add("--extend", "SANDBOX_EXTEND", "part", _extension, "an extension is the new `part`, or `whole` with its parent")
    add("--concurrency", "SANDBOX_CONCURRENCY", "256", _positive_count, "unfinished tasks of one account before a 429")
    add("--data-dir", "LUMAWEB_DATA_DIR", "./data", Path, "its folder sandbox/ holds all files")
    parser.add_argument("--ledger", action="store_true", help="print every recorded POST as a JSON line, and exit")
    parser.add_argument(
        "--control", type=_json_object, default={}, help="change a running sandbox by a JSON object, and exit"
    )
    parser.add_argument("--check", action="store_true", help="check the settings, and exit")
    parser.add_argument("--verbose", action="store_true", help="log every request (LUMAWEB_LOG_LEVEL=DEBUG)")
    given = parser.parse_args(argv)
    return Options(
        port=given.port,
        seconds=given.seconds,
        accept_seconds=given.accept_seconds,
        scale=given.scale,
        faults=given.faults,
        concurrency=given.concurrency,
        extend=given.extend,
        data=(given.data_dir / "sandbox").resolve(),
        show_ledger=given.ledger,
        only_check=given.check,
        changes=given.control,
        log_level=_log_level(given.verbose, env.get("LUMAWEB_LOG_LEVEL", "")),
    )


def _epilog() -> str:
    return (
        "tokens:\n"
        "    sandbox, sandbox-*      accepted, each for a separate account\n"
        "    sandbox-NAME:KEY        another token of the account sandbox-NAME\n"
        "    sandbox-used-up         403 used_up for a new video\n"
        "    sandbox-limited         429 too_many_requests\n"
        "    sandbox-revoked-later   accepted for the first video, then 401\n"
        "    anything else           401\n\n"
        "while it runs, by --control (null removes a key):\n"
        '    {"outage": "refused", "seconds": 10}   no connection; 502 and 503 answer HTML pages\n'
        '    {"revoked": ["sandbox-team"]}          these tokens get 401\n'
        '    {"faults": "lost=0.1"}                 replaces SANDBOX_FAULTS\n'
        '    {"concurrency": 5}                     replaces SANDBOX_CONCURRENCY\n\n'
        "faults, as [name] in a prompt or by chance in SANDBOX_FAULTS (lost=0.1,twice=0.05);\n"
        "[answer 402 some_code] answers with that status and code:\n"
        + "\n".join(_describe(*section) for section in SECTIONS.items())
    )


def _describe(title: str, faults: dict[str, str]) -> str:
    lines = (
        fill(f"{name:18}{text}", 100, subsequent_indent=" " * 22, initial_indent="    ")
        for name, text in faults.items()
    )
    return "\n".join((f"  {title}", *lines))


def _log_level(is_verbose: bool, installation: str) -> str:
    """Return the level to log at: of the installation's, only DEBUG logs every request."""
    if is_verbose or installation.strip().upper() == "DEBUG":
        return "INFO"
    return "ERROR" if installation.strip().upper() == "ERROR" else "WARNING"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number")
    return int(text)


def _seconds(text: str) -> float:
    return _between(text, 0, 86400, "a number of seconds from 0 to 86400")


def _extension(text: str) -> str:
    if text not in ("part", "whole"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither part nor whole")
    return text


def _positive_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000000")
    return int(text)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return value


def _scale(text: str) -> float:
    return _between(text, 0.02, 1, "a scale from 0.02 to 1")


def _between(text: str, low: float, high: float, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {name}")
    return number


def _faults(text: str) -> dict[str, float]:
    try:
        return parse_faults(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
