"""The doctor as a command, also on whole installations."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lumaweb.ops import doctor
from lumaweb.ops.doctor import Check, background
from lumaweb.ops.doctor.findings import ok

from ...support import servers
from ...support.doctor import Front, Refusing
from ...support.factories import a_token
from ...support.installation import ROOT, Installation, a_free_port
from ...support.s3_server import S3Server
from ...support.secrets import MARKER

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_check_that_hangs_or_fails_is_reported_and_the_rest_run():
    here, there = socket.socketpair()
    here.settimeout(20)

    def hangs():
        yield ok(str(here.recv(1)))

    def breaks():
        yield ok("one")
        raise ValueError(f"postgres://lumaweb:{MARKER}@db.example/lumaweb")

    def works():
        yield ok(f"authorization: Bearer {MARKER}")

    checks = Check("hangs", hangs, timeout=0.1), Check("breaks", breaks), Check("works", works)
    found = [(name, finding.level, finding.message) for name, finding in doctor.run_checks(checks=checks)]
    there.send(b"x")
    assert [(name, level) for name, level, _ in found] == [("hangs", "fail"), ("breaks", "fail"), ("works", "ok")]
    assert "No result after 0 s." in found[0][2] and "ValueError" in found[1][2] and MARKER not in str(found)


def test_offline_makes_no_connection(live_server, settings):
    service = Refusing()
    a_token(base_url=service.url)
    with Front(live_server.url) as front:
        settings.PUBLIC_URL = front.url
        front.meddle = lambda *args: pytest.fail("asked")
        checks = tuple(check for check in doctor.CHECKS if check.run is not background.workers)
        found = list(doctor.run_checks(offline=True, checks=checks))
    assert not service.posts
    skipped = {name for name, finding in found if finding.level == "skip"}
    assert skipped >= {"tokens at the provider", "public address", "clock", "mail"}


def doctored(env: dict, *words: str) -> tuple[int, str]:
    """Run the command as a program; return its exit status and output."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def an_empty_site(tmp_path: Path, **env: str) -> Installation:
    site = Installation(tmp_path / "site", **env)
    site.folder.mkdir()
    for name in ("DATABASE_URL", "REDIS_URL"):
        if name not in env:
            site.env.pop(name, None)
    return site


def levels_of(printed: str) -> dict[str, set[str]]:
    levels: dict[str, set[str]] = {}
    for finding in json.loads(printed)["findings"]:
        levels.setdefault(finding["look"], set()).add(finding["level"])
    return levels


def test_an_installation_that_was_never_set_up_is_reported_with_the_remedy(tmp_path):
    site = an_empty_site(tmp_path)
    status, printed = doctored(site.env, "--offline")
    assert status == 1 and "\x1b" not in printed, "colours are for terminals"
    assert "fail  migrations: Not applied: " in printed and "then run manage.py migrate (once" in printed
    assert "fail  static files: They were not collected" in printed
    assert "skip  workers: Not checked because the database does not work." in printed
    assert " failed, " in printed.splitlines()[-1]


def test_a_damaged_database_file_is_reported(tmp_path):
    site = an_empty_site(tmp_path)
    site.migrate()
    file = site.folder / "lumaweb.sqlite3"
    data = bytearray(file.read_bytes())
    data[8192:40_000] = os.urandom(40_000 - 8192)
    file.write_bytes(data)
    status, printed = doctored(site.env, "--offline", "--json")
    assert status == 1 and "The file is damaged" in printed and "restore the last backup" in printed


def test_an_unsafe_sqlite_configuration_is_reported(tmp_path):
    site = an_empty_site(tmp_path, DJANGO_SETTINGS_MODULE="tests.support.unsafe_sqlite_settings")
    status, printed = doctored(site.env, "--offline")
    assert status == 1
    assert "Its journal mode is delete, not wal" in printed and "It does not wait for the disk" in printed


def test_an_unreachable_database_and_queue_are_reported_without_passwords(tmp_path):
    where = f"127.0.0.1:{a_free_port()}"
    url = f"postgres://lumaweb:{MARKER}@{where}/lumaweb"
    site = an_empty_site(tmp_path, DATABASE_URL=url, **servers.SECRETS)
    status, printed = doctored(site.env)
    assert status == 1 and f"fail  database: The database on {where} cannot be used: Connection refused." in printed
    assert "Start the database server, or correct the host and the port in DATABASE_URL." in printed
    assert MARKER not in printed
    (tmp_path / "more").mkdir()
    site = an_empty_site(tmp_path / "more", REDIS_URL=f"redis://:{MARKER}@{where}/0")
    site.migrate()
    status, printed = doctored(site.env, "--offline")
    assert status == 1 and "fail  queue: The queue in Redis does not work: nothing listens there." in printed
    assert MARKER not in printed


def test_a_bucket_is_tested_by_a_write_and_its_links(tmp_path):
    s3 = S3Server(tmp_path / "s3").start()
    try:
        site = an_empty_site(tmp_path, **s3.env)
        found = storage_of(site.env)
        assert [finding["level"] for finding in found] == ["ok", "ok"]
        assert "Links to 127.0.0.1:" in found[0]["words"] and "in the bucket" in found[1]["words"]
        [closed] = storage_of(site.env | {"LUMAWEB_S3_SECRET_KEY": MARKER})
        assert closed["level"] == "fail" and "LUMAWEB_S3_BUCKET" in closed["mend"]
        nowhere = f"http://127.0.0.1:{a_free_port()}"
        broken = storage_of(site.env | {"LUMAWEB_S3_PUBLIC_ENDPOINT": nowhere})[0]
        assert broken["level"] == "fail" and "nothing listens there" in broken["words"]
        assert "LUMAWEB_S3_PUBLIC_ENDPOINT" in broken["mend"]
        assert not list((tmp_path / "s3").rglob("doctor-*"))
    finally:
        s3.stop()
        s3.relay.shutdown()
        s3.relay.server_close()


def storage_of(env: dict) -> list[dict]:
    _, printed = doctored(env, "--offline", "--json")
    assert MARKER not in printed
    return [finding for finding in json.loads(printed)["findings"] if finding["look"] == "storage"]


def test_a_running_installation_passes_every_check(tmp_path):
    site = Installation(tmp_path / "site")
    site.env["LUMAWEB_PUBLIC_URL"] = site.url
    try:
        site.start()
        ada = site.visitor()
        ada.wait_for(ada.submit(prompt="A lighthouse"), "completed")
        site.folder.chmod(0o750)
        status, printed = doctored(site.env, "--json")
        found = json.loads(printed)["findings"]
        bad = [finding for finding in found if finding["level"] == "fail"]
        assert (status, bad, json.loads(printed)["ok"]) == (0, [], True)
        levels = levels_of(printed)
        assert levels.keys() == {check.name for check in doctor.CHECKS}
        for name in ("queue", "workers", "ticker", "tokens", "tokens at the provider", "public address", "callbacks"):
            assert levels[name] == {"ok"}, [finding for finding in found if finding["look"] == name]
    finally:
        site.stop()
