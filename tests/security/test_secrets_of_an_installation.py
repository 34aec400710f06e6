"""No secret in what a whole installation writes, shows or sends."""

import io
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet
from PIL import Image

from ..support import servers
from ..support.cookies import cookie_named
from ..support.installation import PASSWORD, ROOT, Installation, Visitor
from ..support.secrets import MARKER, found_in

# Makes the tables unreadable that are asked for when an address with a key is opened.
BREAK = (
    "from django.db import connection\n"
    "for name in ('temporarylink', 'share', 'invitation'):\n"
    "    connection.cursor().execute(f'ALTER TABLE videos_{name} RENAME TO gone_{name}')"
)


@dataclass
class Run:
    """What a whole run left behind, and its secrets."""

    secrets: dict[str, str] = field(default_factory=dict)
    logs: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    command_lines: list[str] = field(default_factory=list)
    dump: str = ""
    rows: str = ""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Use everything: frames, extensions, faults of every kind, deletions and errors."""
    run = Run()
    given = {"secret key": f"{MARKER}-secret-key", "encryption key": Fernet.generate_key().decode()}
    token = f"sandbox-{MARKER}-token"
    site = Installation(
        tmp_path_factory.mktemp("site"),
        LUMAWEB_SECRET_KEY=given["secret key"],
        LUMAWEB_ENCRYPTION_KEYS=given["encryption key"],
        DJANGO_SETTINGS_MODULE="tests.support.debug_logging_settings",
    )
    try:
        site.start()
        site.add_member("ben")
        site.python(f"from videos.models import ApiToken\nt = ApiToken.objects.get()\nt.secret = {token!r}\nt.save()")
        ada, ben = site.visitor(), site.visitor("ben")
        run.secrets = given | {"token": token, "password": PASSWORD} | sessions_of(ada=ada, ben=ben)
        run.secrets |= everything_once(ada, ben)
        run.command_lines = command_lines_of(site)
        run.secrets |= what_the_provider_was_sent(site)
        run.pages = pages_of(ada=ada, ben=ben)
        run.dump = site.manage("dumpdata", "--exclude", "sessions") + site.python(
            "from django_q.models import OrmQ, Task\n"
            "print([(row.func, row.args, row.kwargs, row.result) for row in Task.objects.all()])\n"
            "print([row.task for row in OrmQ.objects.all()])"
        )
        site.python(BREAK)
        run.reports["production"] = broken_pages(site, run.secrets)
        site.stop()
        site.env["LUMAWEB_DEBUG"] = "1"
        site.start(only=("web",))
        run.reports["debugging"] = broken_pages(site, run.secrets)
    finally:
        site.stop()
    run.logs = site.log.read_text()
    run.rows = rows_of(site)
    return run


def sessions_of(**visitors: Visitor) -> dict[str, str]:
    return {f"session of {name}": cookie_named(visitor.http, "session")[1] for name, visitor in visitors.items()}


def everything_once(ada: Visitor, ben: Visitor) -> dict[str, str]:
    """Use every feature; return the keys it showed to authorised members."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 36), "teal").save(picture, "PNG")
    files = {"start_image": ("a.png", picture.getvalue(), "image/png")}
    framed = ben.submit(files=files, prompt="A lighthouse", mode="frames")
    others = [ada.submit(prompt=f"A lighthouse [{fault}]") for fault in ("refuse", "fail", "error", "twice", "early")]
    ben.wait_until_saved(framed)
    longer = ben.submit(prompt="On", mode="extend", video_id=video_id_of(ben, framed))
    for uuid in others:
        ada.wait_for(uuid, "completed", "failed", "unconfirmed")
    ben.wait_until_saved(longer)
    ada.post(f"/generations/{others[0]}/trash/")
    ada.post(f"/generations/{others[0]}/deletion/")
    ben.post(f"/generations/{others[1]}/trash/")  # not hers to move
    shared = ben.post(f"/generations/{framed}/shares/", days="7").text
    link = re.search(r"/watch/[0-9a-f-]{36}/([A-Za-z0-9_-]{20,})/", shared)
    invited = re.search(
        r"/invitations/([A-Za-z0-9_-]{20,})/", ada.post("/team/invitations/", email="c@example.com").text
    )
    again = re.search(r"/password/[A-Za-z0-9]+/([a-z0-9]+-[a-z0-9]{20,})/", ada.post("/team/2/password/").text)
    come_in(ada, invited[0], again[0])
    Visitor.post(ada, "/login/", username="ada", password=f"{PASSWORD}-mistyped")
    guess = httpx.Client(base_url=ada.http.base_url, trust_env=False)
    assert guess.get(link[0]).status_code == 200
    for path in (f"/frames/{MARKER}.jpg", f"/clips/{MARKER}.mp4", f"/callbacks/luma/{framed}/{MARKER}/"):
        guess.get(path)
        guess.post(path, content=b"{")
    return {"share link": link[1], "invitation": invited[1], "new password": again[1]}


def come_in(ada: Visitor, invitation: str, new_password: str) -> None:
    """Open both links without a session, and accept the invitation."""
    for path, fields in ((invitation, {"username": "cleo"}), (new_password, {})):
        with httpx.Client(base_url=ada.http.base_url, trust_env=False, follow_redirects=True, timeout=20) as http:
            page = http.get(path)
            assert page.status_code == 200
            token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
            if fields:
                words = fields | {"password1": PASSWORD, "password2": PASSWORD, "csrfmiddlewaretoken": token}
                assert http.post(path, data=words).url.path == "/"


def video_id_of(visitor: Visitor, uuid: str) -> str:
    page = visitor.http.get(f"/generations/{uuid}/extend/").text
    return re.search(r'name="video_id"[^>]*value="([^"]+)"', page).group(1)


def what_the_provider_was_sent(site: Installation) -> dict[str, str]:
    """Return the keys in the URLs that the sandbox received: callbacks and frames."""
    done = subprocess.run(
        [sys.executable, "-m", "videos.sandbox", "--ledger"],
        cwd=ROOT, env=site.env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found = {}
    for number, line in enumerate(done.stdout.splitlines()):
        for word in re.findall(r"/(?:callbacks/luma/[0-9a-f-]{36}|frames|clips)/([A-Za-z0-9_-]{20,})", line):
            found[f"address in request {number}"] = word
    assert len(found) > 4
    return found


def pages_of(**visitors: Visitor) -> dict[str, str]:
    """Return every page linked from the studio and the admin, as seen by each visitor."""
    pages = {}
    for name, visitor in visitors.items():
        ahead, seen = ["/", "/trash/", "/collections/", "/admin/", "/clips/", "/prompts/"], set()
        while ahead and len(seen) < 150:
            path = ahead.pop(0)
            if path in seen:
                continue
            seen.add(path)
            answer = visitor.http.get(path)
            if "text/html" not in answer.headers.get("content-type", ""):
                continue
            pages[f"{path} as {name}"] = answer.text
            links = re.findall(r'href="(/[^"#]*)"', answer.text)
            ahead += [link for link in links if not link.startswith("/static/") and "video?" not in link]
    return pages


def command_lines_of(site: Installation) -> list[str]:
    """Return the command lines of all processes of this installation, which any user can read."""
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(site.folder).encode() in (folder / "environ").read_bytes():
                lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, ValueError):
            continue
    return lines


def broken_pages(site: Installation, secrets: dict[str, str]) -> str:
    """Return the responses to URLs with keys while nothing can be looked up."""
    keys = [secret for name, secret in secrets.items() if name.startswith("address")]
    pages = ""
    with httpx.Client(base_url=site.url, trust_env=False, timeout=20) as http:
        for key in keys:
            answer = http.get(f"/frames/{key}.jpg")
            assert answer.status_code == 500
            pages += answer.text
        link = secrets["share link"]
        for path in (f"/watch/9b2f0e0c-0000-4000-8000-000000000000/{link}/", f"/invitations/{secrets['invitation']}/"):
            answer = http.get(path)
            assert answer.status_code == 500
            pages += answer.text
    return pages


def rows_of(site: Installation) -> str:
    """Return all stored rows but the sessions."""
    if url := site.env.get("DATABASE_URL"):
        program = servers.programs_of_postgres() / "pg_dump"
        words = [program, "--data-only", "--exclude-table-data=django_session", url]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout
    connection = sqlite3.connect(site.folder / "lumaweb.sqlite3")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables.remove("django_session")
    return "\n".join(str(row) for table in tables for row in connection.execute(f'SELECT * FROM "{table}"'))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")
def test_no_command_line_holds_a_secret(run):
    assert len(run.command_lines) >= 6
    for line in run.command_lines:
        assert not found_in(line, run.secrets)


def test_no_log_line_of_any_process_holds_a_secret(run):
    assert run.logs.count("DEBUG") > 100 and "Internal Server Error: /frames/[redacted]" in run.logs
    assert "Internal Server Error: /invitations/[redacted]" in run.logs
    assert re.search(r"Internal Server Error: /watch/[0-9a-f-]{36}/\[redacted\]", run.logs)
    assert not found_in(run.logs, run.secrets | {"a guess": MARKER})


def test_no_page_of_the_whole_installation_holds_a_secret(run):
    assert len(run.pages) > 30 and any(name.startswith("/admin/videos/apitoken/") for name in run.pages)
    for name, page in run.pages.items():
        shown = {"share link"} if "/shares/" in name else set()
        assert not set(found_in(page, run.secrets)) - shown, name


def test_no_dump_and_no_row_holds_a_secret(run):
    assert "A lighthouse" in run.dump and "A lighthouse" in run.rows
    assert not found_in(run.dump, run.secrets)
    assert not found_in(run.rows, run.secrets)


@pytest.mark.parametrize("kind", ["production", "debugging"])
def test_no_error_page_holds_a_secret(run, kind):
    assert ("Traceback" in run.reports[kind]) is (kind == "debugging")
    assert not found_in(run.reports[kind], run.secrets)
