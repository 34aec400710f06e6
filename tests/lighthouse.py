"""Measure the signed-in studio with 48 cards by Lighthouse: make lighthouse ARGS="--runs 5"

Each run starts with an empty cache. Prints the median and the worst score of each category and of the layout shift.
Fails if a median score is below 95, or if the median layout shift is not 0.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from .browser.conftest import session_of
from .browser.many_videos import add_videos
from .find_browser import find_whole
from .support.installation import ROOT, Installation

PACKAGE = "lighthouse@13.5.0"
CATEGORIES = ("performance", "accessibility", "best-practices")
# They fail with Debian's Chromium.
SKIPPED = ("image-aspect-ratio", "image-size-responsive", "charset")
DEVICES = {"mobile": (), "desktop": ("--preset=desktop",)}
MIN_SCORE = 95
SHIFT = "layout shift"


def measure(url: str, cookie: str, options: tuple[str, ...]) -> dict[str, float]:
    """Return the scores, 0 to 100, and the layout shift of one run."""
    node = ROOT / ".venv" / "node" / "bin"
    command = [
        *(str(node / "npx"), "--yes", PACKAGE, url, "--quiet", "--output=json", "--output-path=stdout"),
        "--only-categories=" + ",".join(CATEGORIES),
        *(f"--skip-audits={name}" for name in SKIPPED),
        "--extra-headers=" + json.dumps({"Cookie": cookie}),
        "--chrome-flags=--headless=new --no-sandbox",
        *options,
    ]
    env = os.environ | {"CHROME_PATH": find_whole() or "", "PATH": f"{node}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    report = json.loads(done.stdout)
    for audit in report["audits"].values():
        if audit["score"] is not None and audit["score"] < 0.9 and audit["scoreDisplayMode"] in ("binary", "numeric"):
            print(f"  {audit['id']}: {audit.get('displayValue', audit['title'])}", file=sys.stderr)
    scores = {name: report["categories"][name]["score"] * 100 for name in CATEGORIES}
    return scores | {SHIFT: report["audits"]["cumulative-layout-shift"]["numericValue"]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make lighthouse")
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    folder = Path(tempfile.mkdtemp(prefix="lumaweb-lighthouse-"))
    site = Installation(folder)
    passes = True
    try:
        site.start()
        add_videos(site, 60)
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in session_of(site, "ada"))
        for device, options in DEVICES.items():
            results = [measure(f"{site.url}/", cookie, options) for _ in range(runs)]
            for name in results[0]:
                values = [one[name] for one in results]
                worst = max(values) if name == SHIFT else min(values)
                median = statistics.median(values)
                print(f"{device:8} {name:15} median {median:g}, worst {worst:g}")
                passes &= median == 0 if name == SHIFT else median >= MIN_SCORE
    finally:
        site.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
