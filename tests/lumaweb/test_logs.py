"""Logs as lines or JSON, with request and generation ids and without secrets."""

import asyncio
import io
import json
import logging
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from lumaweb import logs
from lumaweb.environment.rules import require_valid
from lumaweb.logs import JsonFormatter, RedactingFormatter, as_json, process_name
from videos import tasks
from videos.jobs import results
from videos.sandbox.options import parse_options

from ..support.endpoints import Team
from ..support.factories import a_generation, a_token, failure
from ..support.installation import ROOT, Installation
from ..support.settings_process import print_settings

MARKER = "markedMARKEDmarkedMARKEDmarkedMARKEDmarked0"


@contextmanager
def listening(*names: str, level: int = logging.INFO):
    """Capture what these loggers write as JSON; parse it at the end of the block."""
    stream, said = io.StringIO(), []
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("web"))
    before = {}
    for name in names:
        logger = logging.getLogger(name)
        before[logger] = logger.level
        logger.addHandler(handler)
        logger.setLevel(level)
    try:
        yield said
    finally:
        for logger, was in before.items():
            logger.removeHandler(handler)
            logger.setLevel(was)
        said += [json.loads(line) for line in stream.getvalue().splitlines()]


def a_record(message: str, *args, **extra) -> logging.LogRecord:
    return logging.getLogger("videos").makeRecord("videos", logging.WARNING, "f", 1, message, args, None, extra=extra)


def test_a_json_line_has_time_process_and_message():
    said = json.loads(JsonFormatter("worker").format(a_record("saved %s", "it")))
    when = datetime.fromisoformat(said.pop("time"))
    assert abs((datetime.now(when.tzinfo) - when).total_seconds()) < 60 and when.utcoffset().total_seconds() == 0
    assert said == {"level": "WARNING", "logger": "videos", "message": "saved it", "part": "worker"}


def test_a_json_record_is_always_one_line():
    try:
        raise ValueError("first\nsecond \u2028 “x”")
    except ValueError:
        record = a_record('a\nb "c" \x00')
        record.exc_info = sys.exc_info()
    line = JsonFormatter("web").format(record)
    assert len(line.splitlines()) == 1
    said = json.loads(line)
    assert said["message"] == 'a\nb "c" \x00'
    assert said["exception"].startswith("Traceback") and "second \u2028" in said["exception"]


SECRET_WORDS = [
    f"/callbacks/luma/9b2f0e0c-0000-4000-8000-000000000000/{MARKER}/",
    f"https://films.example.com/frames/{MARKER}.jpg",
    f'{{"url": "/clips/{MARKER}.mp4"}}',
    f"Authorization: Bearer {MARKER}",
    f'{{"authorization": "Bearer {MARKER}"}}',
    f"/invitations/{MARKER}/",
    f"/watch/9b2f0e0c-0000-4000-8000-000000000000/{MARKER}/",
]


@pytest.mark.parametrize("words", SECRET_WORDS)
def test_no_field_of_a_json_line_holds_a_secret(words):
    def broken():
        raise RuntimeError(words)

    try:
        broken()
    except RuntimeError:
        record = a_record(words + " %s", words, facts={"path": words, "other": RuntimeError(words)})
        record.exc_info, record.stack_info = sys.exc_info(), words
    with logs.for_generation(words):
        line = JsonFormatter("web").format(record)
        assert MARKER not in line and MARKER not in RedactingFormatter("%(message)s").format(record)
    assert {"path", "other", "exception", "stack", "generation"} <= json.loads(line).keys()


@pytest.mark.parametrize("words", SECRET_WORDS)
def test_plain_output_of_a_process_becomes_a_redacted_json_line(words):
    line = as_json("sandbox", words.encode() + b" \xff")
    assert MARKER not in line.decode() and b"\n" not in line
    said = json.loads(line)
    assert (said["logger"], said["part"]) == ("sandbox", "sandbox")
    assert as_json("web", line) == line, "an object is left as it is"


@pytest.mark.parametrize(
    ("argv", "cluster", "part"),
    [
        (["/x/lumaweb/server/__main__.py"], "", "web"),
        (["manage.py", "qcluster"], "lumaweb", "worker"),
        (["manage.py", "qcluster"], "", "worker"),
        (["manage.py", "qcluster"], "media", "media"),
        (["manage.py", "sweep"], "", "ticker"),
        (["manage.py", "serve", "--only", "web"], "", "serve"),
        (["manage.py"], "", "manage.py"),
        ([""], "", ""),
    ],
)
def test_the_process_name_follows_from_the_command(argv, cluster, part):
    assert process_name(argv, cluster) == part


def test_an_unknown_log_format_stops_the_start_with_a_message(monkeypatch):
    monkeypatch.setenv("LUMAWEB_LOG_FORMAT", "xml")
    with pytest.raises(ImproperlyConfigured, match=r"LUMAWEB_LOG_FORMAT is 'xml'; set it to line or json\."):
        require_valid()


def test_an_unknown_host_is_one_line_that_names_the_variable(client, caplog):
    with listening("django.security.DisallowedHost") as said:
        assert client.get("/healthz-not", headers={"Host": "elsewhere.example"}).status_code == 400
    [line] = said
    assert line["level"] == "WARNING" and "exception" not in line
    assert line["message"] == (
        "Invalid HTTP_HOST header: 'elsewhere.example'. LUMAWEB_ALLOWED_HOSTS names the hosts that are served."
    )


@pytest.mark.parametrize(
    ("level", "ours", "libraries"),
    [("DEBUG", "DEBUG", "INFO"), ("INFO", "INFO", "WARNING"), ("WARNING", "WARNING", "WARNING"), ("ERROR",) * 3],
)
def test_the_log_level_is_for_lumaweb_and_libraries_say_less(tmp_path, level, ours, libraries):
    loggers = "[settings.LOGGING['loggers'][name]['level'] for name in ('videos', 'lumaweb', 'django', 'django-q')]"
    done = print_settings(tmp_path, f"{loggers} + [settings.LOGGING['root']['level']]", LUMAWEB_LOG_LEVEL=level)
    assert done.stdout.strip() == str([ours, ours, libraries, libraries, libraries]), done.stderr


def test_the_access_log_does_not_depend_on_the_log_level(tmp_path):
    shown = "settings.LOGGING['loggers']['lumaweb.access']"
    done = print_settings(tmp_path, shown, LUMAWEB_LOG_LEVEL="ERROR", LUMAWEB_ACCESS_LOG="1")
    assert done.stdout.strip() == "{'level': 'INFO'}", done.stderr


@pytest.mark.parametrize(
    ("env", "level"),
    [("", "WARNING"), ("info", "WARNING"), ("DEBUG", "INFO"), ("ERROR", "ERROR")],
)
def test_the_sandbox_follows_the_log_level(env, level):
    assert parse_options([], {"LUMAWEB_LOG_LEVEL": env}).log_level == level


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_response_has_a_unique_request_id(client):
    numbers = {client.get("/healthz").headers["X-Request-ID"] for _ in range(3)}
    assert len(numbers) == 3 and all(re.fullmatch("[0-9a-f]{32}", number) for number in numbers)


@pytest.mark.parametrize(
    ("proxies", "given", "taken"),
    [
        (1, "req-0123.abc_DEF", True),
        (0, "req-0123.abc_DEF", False),
        (1, "short", False),
        (1, "x" * 65, False),
        (1, "with space 1", False),
        (1, "line\tbreak1", False),
        (1, '"},{"a":"b', False),
        (1, "ünïcode-12345", False),
    ],
)
def test_a_request_id_is_accepted_only_from_a_trusted_proxy_and_only_if_valid(client, settings, proxies, given, taken):
    settings.TRUSTED_PROXIES = proxies
    number = client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert (number == given) is taken


@pytest.mark.django_db
def test_an_error_page_shows_the_request_id_of_its_log_line(settings):
    settings.ROOT_URLCONF = "tests.support.broken_urls"
    client = Client(raise_request_exception=False)
    with listening("django.request", level=logging.ERROR) as said:
        answer = client.get("/broken/")
    number = answer.headers["X-Request-ID"]
    assert answer.status_code == 500 and number in answer.content.decode()
    [error] = [line for line in said if "exception" in line]
    assert error["request"] == number and "RuntimeError" in error["exception"]
    assert logs.REQUEST.get() == "", "it is not of what comes after it"


def test_a_plain_line_has_the_request_id():
    line = RedactingFormatter("%(levelname)s: %(message)s")
    assert line.format(a_record("x")) == "WARNING: x"
    token = logs.REQUEST.set("abc")
    try:
        with logs.for_generation("9b2f"):
            assert line.format(a_record("x")) == "WARNING: x [request abc generation 9b2f]"
    finally:
        logs.REQUEST.reset(token)


@pytest.mark.django_db
def test_the_access_log_is_off_by_default_and_holds_no_secret(settings):
    team = Team()
    author = team.client("author")
    with listening("lumaweb.access") as said:
        author.get("/healthz")
    assert said == []
    settings.ACCESS_LOG = True
    with listening("lumaweb.access") as said:
        number = author.get(f"/generations/{team.saved.uuid}/?q={MARKER}").headers["X-Request-ID"]
        Client().get("/healthz")
        author.get(f"/frames/{team.frame_key}.jpg")
        author.post(reverse("callback", args=[team.at_work.uuid, team.callback_key]), "{", "application/json")
    page, health, frame, callback = said
    assert page["request"] == number and page["member"] == team.ada.pk
    assert (page["method"], page["path"], page["status"]) == ("GET", f"/generations/{team.saved.uuid}/", 200)
    assert page["ms"] > 0 and MARKER not in json.dumps(said)
    assert "member" not in health
    assert frame["path"] == "/frames/[redacted]" and (callback["method"], callback["status"]) == ("POST", 400)
    assert team.frame_key not in json.dumps(said) and team.callback_key not in json.dumps(said)


# ── Generations ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_log_lines_of_a_callback_name_its_generation(client):
    team = Team()
    path = reverse("callback", args=[team.at_work.uuid, team.callback_key])
    with listening("videos") as said:
        number = client.post(path, "{", "application/json").headers["X-Request-ID"]
    [line] = said
    assert (line["generation"], line["request"]) == (str(team.at_work.uuid), number)
    with listening("videos") as said:
        client.get("/healthz")
        logging.getLogger("videos").info("another")
    assert "generation" not in said[0]


@pytest.mark.django_db
def test_log_lines_while_a_result_is_recorded_name_the_generation():
    team = Team()
    team.at_work.record(failure("task-9"), "callback")
    with listening("videos") as said:
        results.record_result(team.at_work, failure("another"), "sweep")
    assert said[0]["generation"] == str(team.at_work.uuid) and "refused" in said[0]["message"]
    assert logs.GENERATION.get() == ""


@pytest.mark.django_db(transaction=True)
def test_concurrent_submissions_log_their_own_generation():
    a_token(base_url="http://127.0.0.1:9")  # where nobody listens
    rows = {str(a_generation(prompt=f"number {number}").uuid) for number in range(4)}
    with listening("videos") as said:
        tasks.drain()
    about = [line["generation"] for line in said if line["message"].startswith("generation ")]
    assert about and set(about) <= rows
    for line in said:
        if line["message"].startswith("generation "):
            assert line["generation"] in line["message"]


@pytest.mark.django_db(transaction=True)
def test_log_lines_while_a_video_is_saved_name_the_generation():
    team = Team()
    team.saved.mark_unsaved("lost")
    with listening("videos") as said:
        tasks.archive(team.saved.pk)
    [line] = [line for line in said if "not saved" in line["message"]]
    assert line["generation"] == str(team.saved.uuid)


def test_the_log_context_does_not_leak_between_asyncio_tasks():
    async def work(name: str) -> str:
        logs.GENERATION.set(name)
        await asyncio.sleep(0)
        return logs.GENERATION.get()

    async def both() -> list[str]:
        return await asyncio.gather(work("one"), work("two"))

    assert asyncio.run(both()) == ["one", "two"] and logs.GENERATION.get() == ""


# ── A whole installation ──────────────────────────────────────────────────────────────────────────────────────


def test_every_process_of_an_installation_logs_json_with_its_name(tmp_path):
    site = Installation(
        tmp_path / "site",
        LUMAWEB_LOG_FORMAT="json",
        LUMAWEB_ACCESS_LOG="1",
        DJANGO_SETTINGS_MODULE="tests.support.debug_logging_settings",
    )
    try:
        site.start()
        ada = site.visitor()
        uuid = ada.submit(prompt="A lighthouse")
        ada.wait_until_saved(uuid)
        httpx.post(f"{site.url}/callbacks/luma/{uuid}/{MARKER}/", content=b"{", trust_env=False)
    finally:
        site.stop()
    lines = site.log.read_text().splitlines()
    said = [json.loads(line) for line in lines]
    assert all(datetime.fromisoformat(line["time"]) and line["level"] and line["part"] for line in said)
    assert {"serve", "web", "worker", "ticker", "sandbox"} <= {line["part"] for line in said}
    assert any(line["message"].startswith("Lumaweb is ready at ") for line in said)
    visits = [line for line in said if line["logger"] == "lumaweb.access"]
    assert any(line["path"].endswith("[redacted]/") and line["status"] == 404 for line in visits)
    assert len({line["request"] for line in visits}) == len(visits)
    assert MARKER not in "\n".join(lines)


def test_an_unknown_log_format_names_the_valid_ones_at_start(tmp_path):
    site = Installation(tmp_path / "site", LUMAWEB_LOG_FORMAT="xml")
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=site.env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "LUMAWEB_LOG_FORMAT is 'xml'; set it to line or json." in done.stderr
