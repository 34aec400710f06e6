"""Settings › Health: the doctor in the browser, run once at a time for all admins."""

import threading
import time
from dataclasses import asdict
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from lumaweb.ops import doctor, health_run
from lumaweb.ops.doctor import Check, account, background, backups, installation, mail, provider, quota, storage
from lumaweb.ops.doctor.findings import fail, ok, skip, warn
from lumaweb.ops.pages.health import page_context
from videos.models import HealthReport

from ..support.installation import Installation, a_free_port

# A run has a separate thread, which sees only committed rows.
pytestmark = pytest.mark.django_db(transaction=True)


def checks(*findings, gate: threading.Event | None = None):
    """Return a check for each finding; each waits for the gate."""

    def check(number, finding):
        def run():
            if gate:
                assert gate.wait(20)
            yield finding

        return Check(f"check {number}", run, needs_database=False)

    return tuple(check(number, finding) for number, finding in enumerate(findings))


@pytest.mark.parametrize("module", [account, background, backups, installation, mail, provider, quota, storage])
def test_the_pages_that_the_findings_name_are_linked(module):
    pages = [value for name, value in vars(module).items() if name.endswith("_PAGE")]
    assert pages
    for page in pages:
        report = HealthReport(findings=[{"check": "one", **asdict(warn("code", "Title", "message", "fix", page))}])
        (problem,) = page_context(report)["problems"]
        assert problem["link"], page


def wait_until_checked(client) -> str:
    client.post("/settings/health/")
    return wait_for_the_result(client)


def wait_for_the_result(client) -> str:
    for _ in range(200):
        page = client.get("/settings/health/").content.decode()
        if 'data-state="checked"' in page:
            return page
        time.sleep(0.05)
    raise AssertionError(page)


FOUND = (
    warn("disk-low", "Disk space is running low", "11 GB are free.", "Run manage.py move_media & empty the trash."),
    ok("All are <applied>."),
    fail("mail-password", "Mail is not sent", "The server refuses the password.", "Correct LUMAWEB_EMAIL_URL."),
    skip("Not known."),
)


def test_findings_are_shown_by_severity_with_what_to_do(client, admin, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", checks(*FOUND))
    page = wait_until_checked(client)
    assert page.index("Mail is not sent") < page.index("Disk space is running low") < page.index("All well")
    assert "1 problem and 1 warning to fix." in page and "1 of 4 checks" in page
    assert "Correct <code>LUMAWEB_EMAIL_URL</code>." in page and "<code>manage.py move_media</code> &amp; empty" in page
    assert "All are &lt;applied&gt;." in page
    assert "2 to fix" in client.get("/team/").content.decode(), "the side list counts them"


def test_an_installation_without_a_problem_says_so(client, admin, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", checks(ok("Fine.")))
    page = wait_until_checked(client)
    assert "Everything works." in page and "to fix" not in page.replace(", 0 to fix", "")


def test_a_run_is_shared_by_all_admins_and_holds_no_thread(client, admin, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(doctor, "CHECKS", checks(*FOUND, gate=gate))
    monkeypatch.setattr("lumaweb.ops.pages.health.POST_WAIT", 0.1)
    client.post("/settings/health/")
    assert 'data-state="checking"' in client.get("/settings/health/").content.decode()
    run = HealthReport.objects.get().run
    began = time.monotonic()
    assert client.post("/settings/health/").status_code == 302
    assert time.monotonic() - began < 5 and HealthReport.objects.get().run == run
    assert health_run.start() is None
    gate.set()
    assert "Mail is not sent" in wait_for_the_result(client)
    assert HealthReport.objects.get().run is None


def test_check_again_replaces_the_findings(client, admin, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", checks(*FOUND))
    wait_until_checked(client)
    monkeypatch.setattr(doctor, "CHECKS", checks(ok("Repaired.")))
    assert 'hx-trigger="load"' not in client.get("/settings/health/").content.decode(), "the report is recent"
    page = wait_until_checked(client)
    assert "Repaired." in page and "Mail is not sent" not in page


def test_an_old_report_is_renewed_and_stays_visible_meanwhile(client, admin, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(doctor, "CHECKS", checks(*FOUND))
    wait_until_checked(client)
    HealthReport.objects.update(finished_at=timezone.now() - timedelta(minutes=6))
    monkeypatch.setattr(doctor, "CHECKS", checks(ok("Repaired."), gate=gate))
    monkeypatch.setattr("lumaweb.ops.pages.health.POST_WAIT", 0.1)
    assert 'hx-trigger="load"' in client.get("/settings/health/").content.decode(), "the page renews it"
    client.post("/settings/health/")
    page = client.get("/settings/health/").content.decode()
    assert 'data-state="checking"' in page and "Mail is not sent" in page and "0 of 1 done" in page
    gate.set()
    assert "Repaired." in wait_for_the_result(client)


def test_a_run_whose_process_died_does_not_block_the_next():
    assert HealthReport.objects.begin(3) and not HealthReport.objects.begin(3)
    HealthReport.objects.update(started_at=timezone.now() - timedelta(minutes=2))
    later = HealthReport.objects.begin(3)
    assert later
    HealthReport.objects.finish(later, [])
    assert HealthReport.objects.get().finished_at


def test_the_report_is_downloaded_as_text(client, admin, monkeypatch):
    assert client.get("/settings/health/report.txt").content == b"This installation has not been checked yet.\n"
    monkeypatch.setattr(doctor, "CHECKS", checks(*FOUND))
    wait_until_checked(client)
    answer = client.get("/settings/health/report.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="lumaweb-health.txt"'
    text = answer.content.decode()
    assert (
        text.index("PROBLEM: Mail is not sent (mail-password") < text.index("WARNING: Disk space") < text.index("ok: ")
    )
    assert "→ Correct LUMAWEB_EMAIL_URL." in text


CANARY = "canaryCANARYcanary"
SECRETS = {
    "LUMAWEB_SECRET_KEY": f"{CANARY}-secret-key-{'x' * 30}",
    "LUMAWEB_ADMIN_PASSWORD": f"{CANARY}-admin-9",
    "LUMAWEB_LUMA_TOKEN": f"sandbox-{CANARY}-token",
    "LUMAWEB_METRICS_TOKEN": f"{CANARY}-metrics-token",
    "LUMAWEB_EMAIL_URL": f"smtp://lumaweb:{CANARY}-mail@127.0.0.1:{{port}}",
    "REDIS_URL": f"redis://:{CANARY}-redis@127.0.0.1:{{port}}/0",
}


def test_no_secret_of_a_broken_installation_is_shown(tmp_path, monkeypatch):
    """Mail and Redis are away and the provider does not answer, so many findings tell about settings with secrets."""
    port = a_free_port()
    env = {name: value.format(port=port) for name, value in SECRETS.items()}
    env |= {"LUMAWEB_EMAIL_FROM": "films@example.com", "LUMAWEB_LUMA_BASE_URL": f"http://127.0.0.1:{port}"}
    env |= {"LUMAWEB_ENCRYPTION_KEYS": _fernet_key()}
    monkeypatch.setattr("tests.support.installation.PASSWORD", env["LUMAWEB_ADMIN_PASSWORD"])
    site = Installation(tmp_path / "site", **env)
    try:
        site.start(only=("web", "ticker"))
        ada = site.visitor()
        ada.post("/settings/health/")
        page = _checked(ada.http)
        text = ada.http.get("/settings/health/report.txt").text
        printed = site.python(
            "from django.core.management import call_command\ntry: call_command('doctor')\nexcept SystemExit: pass"
        )
        ready = httpx.get(f"{site.url}/readyz", trust_env=False).text
        log = site.log.read_text()
    finally:
        site.stop()
    for code in ("redis-refused", "mail-refused", "provider-unreachable"):
        assert f'data-code="{code}"' in page, text
    assert "nothing listens there" in ready and "redis" in ready
    for secret in (CANARY, env["LUMAWEB_ENCRYPTION_KEYS"]):
        assert all(secret not in shown for shown in (page, text, printed, ready, log))
    assert "Traceback" not in log, log


def _fernet_key() -> str:
    return "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5MTI="


def _checked(http: httpx.Client) -> str:
    end = time.monotonic() + 60
    while 'data-state="checked"' not in (page := http.get("/settings/health/").text):
        assert time.monotonic() < end, page
        time.sleep(0.2)
    return page
