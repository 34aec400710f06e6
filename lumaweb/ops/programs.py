"""The processes of an installation, as programs for the supervisor."""

import http.client
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from lumaweb import logs
from lumaweb.environment.site import ALL_ADDRESSES
from lumaweb.supervisor.program import Program
from lumaweb.supervisor.supervisor import Supervisor
from videos.jobs import queue

from .heartbeats import HeartbeatProbe

PARTS = ("sandbox", "web", "worker", "ticker")
CLUSTERS = {"worker": queue.SUBMIT_CLUSTER, "media": queue.MEDIA_CLUSTER}


def supervisor(parts: Sequence[str]) -> Supervisor:
    """Return a supervisor for these parts."""
    web = "web" in parts
    return Supervisor(
        programs(parts),
        responds=web_responds if web else lambda: True,
        ready_line=_ready_line() if web else f"Lumaweb is ready: {', '.join(parts)}",
        on_stop=settings.WORKERS_STOPPING.touch if "worker" in parts else lambda: None,
        format_line=logs.as_json if settings.LOG_FORMAT == "json" else None,
    )


def _ready_line() -> str:
    """Return the line with the addresses at which a browser finds Lumaweb, on this machine or beyond."""
    first, *others = (f"{url}/" for url in settings.SITE.ready_urls)
    return f"Lumaweb is ready at {first}" + (f" (also {', '.join(others)})" if others else "")


def programs(parts: Sequence[str]) -> list[Program]:
    """Return the programs of these parts. The sandbox stops last: the workers may still wait for its responses."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    # Absolute, because the programs start in another working directory.
    env = {"LUMAWEB_DATA_DIR": str(settings.DATA_DIR)}
    heartbeat = HeartbeatProbe()
    by_part = {
        "sandbox": [Program("sandbox", [sys.executable, "-m", "videos.sandbox"], env, outlives_others=True)],
        "web": [Program("web", [sys.executable, "-m", "lumaweb.server"], env)],
        "worker": [
            # In the environment: django-q2 reads its settings before its --name option.
            Program(name, [*manage, "qcluster"], env | {"Q_CLUSTER_NAME": cluster}, partial(heartbeat, cluster))
            for name, cluster in CLUSTERS.items()
        ],
        "ticker": [Program("ticker", [*manage, "sweep"], env)],
    }
    return [program for part in PARTS if part in parts for program in by_part[part]]


def check_sandbox() -> None:
    """Raise ImproperlyConfigured for a fault that the sandbox does not know; it would never start."""
    if settings.SANDBOX_FAULTS:
        argv = [sys.executable, "-m", "videos.sandbox", "--check"]
        done = subprocess.run(argv, cwd=settings.BASE_DIR, capture_output=True, text=True)
        if done.returncode:
            problem = done.stderr.strip().rpartition("argument --faults: ")[2]
            raise ImproperlyConfigured(f"SANDBOX_FAULTS is {settings.SANDBOX_FAULTS!r}; {problem}.")


def web_responds() -> bool:
    """Return whether the web server answers a request, whatever the status: it may refuse this host name."""
    host = ALL_ADDRESSES.get(settings.HOST, settings.HOST)
    connection = http.client.HTTPConnection(host, settings.PORT, timeout=2)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
