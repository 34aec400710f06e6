"""Garbage at every URL: nothing answers 500, creates a row or loses one.

An ordinary run throws the same few cases each time; `make fuzz` throws LUMAWEB_FUZZ_CASES others.
"""

import json
import os
import re
import string
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from django.apps import apps
from django.conf import settings as installation
from django.db import transaction
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videos.forms.fields import CONTROL_CHARACTERS
from videos.models import ApiToken, Frame, Generation, Member, Pricing, State, Submission

from ..support.endpoints import BODIES, NOBODY, Team, addresses, path_of, watching, writes
from ..support.hypothesis_profiles import example_count
from ..support.permission_rules import RULES

pytestmark = pytest.mark.django_db

CASES = int(os.environ.get("LUMAWEB_FUZZ_CASES", "0"))
FORM = "application/x-www-form-urlencoded"
CSRF = "a" * 32


def cases(share: float, otherwise: int):
    """Return the number of examples: a share of the requested number, or a few fixed ones."""
    return settings(
        max_examples=round(CASES * share) if CASES else example_count(otherwise),
        derandomize=not CASES,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# ── Garbage ───────────────────────────────────────────────────────────────────────────────────────────────────

# Every name of a field that any page has, and those that are read from an address or by a script.
PAGES = (page.read_text() for page in Path("templates").rglob("*.html"))
READ = [
    "action", "mode", "prompt", "aspect_ratio", "start_image_url", "end_image_url", "enhancement", "loop", "timeout",
    "video_id", "video_url", "count", "submission_key", "start_frame", "end_frame", "form", "start_image",
    "end_image", "several", "again", "v", "others", "was", "choice", "on", "in", "into", "out", "name", "from",
    "side", "at", "image", "q", "member", "collection", "ratio", "state", "since", "until", "starred", "before",
    "after", "newest", "top", "only", "watch", "hidden", "seen", "waits", "known", "takes_of", "what", "next",
    "username", "password", "password1", "password2", "code", "page",
]  # fmt: skip
NAMES = sorted({*READ, *(name for page in PAGES for name in re.findall(r'\bname="([a-z_0-9]+)"', page))})
NASTY = [
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\ufffe", "\u202e", "\x1b[31m", "\x7f", "\x85", "İ", "ß", "٣",
    "0", "-1", "1e9", "1e999", "NaN", "Infinity", "9" * 5000, "-" + "9" * 400, "0x10", "1_000", "None", "true", "null",
    "{}", "[]", "[" * 2000, '{"a":' * 500, '{"__proto__": 1}', "' OR 1=1 --", '"><script>x</script>', "{{ 7*7 }}",
    "{% csrf_token %}", "../../etc/passwd", "..\\..\\x", "//x", "http://[", "http://[::1]/", "https://example.com:99999/",
    "http://İ.example/", "javascript:x", "file:///etc/passwd", "data:,x", "https://user:pw@example.com/", "a" * 6000,
    "00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}", "generate", "extend", "16:9",
    "2026-02-30", "9999-12-31", "0001-01-01", "-0001-01-01", "2026-13-01", "picked", "rejected", "ready", "first",
    "18446744073709551616", "9223372036854775808", "last", "-9223372036854775809", "99999999999", "１２", "%", "%zz",
    "%ff", "+", "\r\nSet-Cookie: a=b", "\u2028", "a\r\nb", "😀" * 50, "é", "e\u0301", ";", "&", "=", "?", "#",
]  # fmt: skip
texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=40), st.text(string.printable, max_size=20))
names = st.one_of(st.sampled_from(NAMES), st.sampled_from(NASTY), st.text(max_size=8))
pairs = st.lists(st.tuples(names, texts), max_size=8)
raw = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"\xff\xfe", b"%ff=%00&%", b"a=%c3%28", b"=&=&=", b"\x00" * 50, b"a" * 3000, b"v=1&" * 600]),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
contents = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg onload='x'/>", b"RIFF\0\0\0\0WEBP"]
    ),
)
CONTENT_TYPES = [
    "", "text/plain", "text/plain; charset=utf-7", "text/plain; charset=nonsense", "application/json; charset=\xff",
    "application/x-www-form-urlencoded; charset=utf-16", "application/x-www-form-urlencoded; charset=nonsense",
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\xff",
    "multipart/form-data; boundary=" + "x" * 300, "multipart/mixed; boundary=x", "application/octet-stream", "*/*", ";",
]  # fmt: skip


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def urlencoded(fields) -> bytes:
    return b"&".join(
        quote_from_bytes(bytes_of(a)).encode() + b"=" + quote_from_bytes(bytes_of(b)).encode() for a, b in fields
    )


def part(name: str, value: bytes, filename: str | None, kind: str) -> bytes:
    clean = re.sub(rb"[\r\n\"]", b"_", bytes_of(name))
    head = b'Content-Disposition: form-data; name="' + clean + b'"'
    if filename is not None:
        head += b'; filename="' + re.sub(rb"[\r\n\"]", b"_", bytes_of(filename)) + b'"'
    return head + (b"\r\n" + kind.encode() if kind else b"") + b"\r\n\r\n" + value + b"\r\n"


@st.composite
def multiparts(draw) -> tuple[bytes, str]:
    """Generate files for text fields and the reverse, repeated fields, and cut or corrupt bodies."""
    count = draw(st.integers(0, 5))
    body = b""
    for _ in range(count):
        is_file = draw(st.booleans())
        kinds = ["", "Content-Type: image/jpeg", "Content-Type: text/html; charset=nonsense",
                 "Content-Transfer-Encoding: base64", "Content-Length: -1", "Content-Type"]  # fmt: skip
        value = draw(contents) if draw(st.booleans()) else bytes_of(draw(texts))
        name = draw(names)
        body += b"--B\r\n" + part(name, value, draw(texts) if is_file else None, draw(st.sampled_from(kinds)))
    body += draw(st.sampled_from([b"--B--\r\n", b"--B", b"", b"--B--\r\n" * 2]))
    if draw(st.booleans()):
        body = body[: draw(st.integers(0, len(body)))]
    return body, "multipart/form-data; boundary=B"


bodies = st.one_of(
    pairs.map(lambda fields: (urlencoded(fields), FORM)),
    multiparts(),
    json_values.map(lambda value: (json.dumps(value).encode(), "application/json")),
    st.tuples(raw, st.sampled_from([*CONTENT_TYPES, FORM, "multipart/form-data; boundary=x"])),
)
queries = st.one_of(pairs.map(lambda fields: urlencoded(fields).decode()), raw.map(lambda some: some.decode("latin-1")))
HEADERS = {
    "HTTP_HX_REQUEST": ["true", "1", "\x00", ""],
    "HTTP_HX_TARGET": ["video-form", "gallery", "older", "video-dialog-body", "request-code", "\xff", '"><'],
    "HTTP_HX_CURRENT_URL": ["http://testserver/", "http://testserver/trash/", "http://[", "//", "\xff", "javascript:x"],
    "HTTP_HX_CURRENT_URL_URI_AUTOENCODED": ["true", "maybe"],
    "HTTP_REFERER": ["http://testserver/", "http://evil.example/", "http://testserver/\r\nX: y", "\xff", "http://["],
    "HTTP_ACCEPT": ["application/json", "text/html", "*/*;q=nonsense", "\xff", ","],
    "HTTP_ACCEPT_ENCODING": ["br", "gzip;q=nonsense", "*", "br;q=0"],
    "HTTP_RANGE": ["bytes=0-", "bytes=-1", "bytes=9999999999999999999-", "bytes=a-b", "bytes=5-2,1-3", "lines=1"],
    "HTTP_IF_RANGE": ['"x"', "yesterday"],
    "HTTP_IF_MODIFIED_SINCE": ["nonsense", "Thu, 01 Jan 9999 00:00:00 GMT"],
    "HTTP_COOKIE": [
        "theme=\x00",
        "theme=" + "x" * 500,
        "=;=",
        f"{installation.MESSAGES_COOKIE_NAME}=nonsense",
        f"{installation.CSRF_COOKIE_NAME}=x",
    ],
    "HTTP_X_FORWARDED_FOR": ["nonsense", "::1, 1.2.3.4", "\xff"],
    "HTTP_USER_AGENT": ["", "\xff" * 300],
    "CONTENT_LENGTH": ["0"],  # the web server lets no other through that is wrong
}
headers = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in HEADERS.items()})


# ── Everything, at every address ──────────────────────────────────────────────────────────────────────────────

ADDRESSES = [address for address in addresses() if address.name not in ("logout", "admin:logout", "readyz")]
OWN = [address for address in ADDRESSES if not address.is_of_the_admin]
WITH_WORDS = [address for address in OWN if address.parameters]


def methods_for(address):
    """Choose mostly the method that the URL handles."""
    rule = RULES.get(address.name, {}).get(("POST", "admin"))
    first, second = ("GET", "POST") if rule == "405" else ("POST", "GET")
    return st.sampled_from([first] * 10 + [second, "HEAD", "PUT", "DELETE"])


# A picture is stored by its bytes, even if its form is invalid.
BESIDE = re.compile(r'UPDATE "videos_frame" SET "created_at"')
# The only thing that a colleague may change on a video: the team's choice.
OF_THE_TEAM = {"choice", "version", "changed_at"}
MAY_GO = {"Star", "CollectionItem"}


@pytest.fixture(autouse=True)
def requests_as_the_web_server_has_them(monkeypatch, static_files):
    from lumaweb import wsgi  # which looks for the static files

    monkeypatch.setattr("django.test.client.WSGIRequest", wsgi.Request)


@pytest.fixture
def team() -> Team:
    return Team()


class Rows:
    """All rows of the product at one moment."""

    def __init__(self) -> None:
        models = [model for model in apps.get_app_config("videos").get_models() if model._meta.managed]
        self.of = {model: {row["pk"]: row for row in model.objects.values("pk", *fields_of(model))} for model in models}

    def lost_since(self, before: "Rows", by: Member | None) -> list[str]:
        """Return what a member removed, or changed of others."""
        lost = []
        for model, rows in before.of.items():
            now = self.of[model]
            if model.__name__ not in MAY_GO:
                lost += [f"{model.__name__} {pk} is gone" for pk in rows.keys() - now.keys()]
            if model in (Generation, Member, ApiToken, Frame, Pricing, Submission):
                for pk in rows.keys() & now.keys():
                    changed = {name for name, value in rows[pk].items() if now[pk][name] != value}
                    own = by and (pk == by.pk if model is Member else rows[pk].get("member_id") == by.pk)
                    changed -= OF_THE_TEAM if model is Generation else set()
                    own = own and not changed & {"is_superuser", "is_staff", "is_active", "own_limit", "monthly_limit"}
                    if changed and not own:
                        lost.append(f"{model.__name__} {pk}: {changed}")
        return lost


def fields_of(model) -> list[str]:
    quiet = {"last_seen_at", "last_login"}
    return [field.attname for field in model._meta.concrete_fields if field.attname not in quiet]


def throw(client: Client, method: str, path: str, body: tuple[bytes, str], query: str, extra: dict):
    """Send a request; return the response, its writes and the rows after it, then roll back."""
    # Every page sends the CSRF token; its check reads the form before a view does.
    client.handler.enforce_csrf_checks = True
    client.cookies[installation.CSRF_COOKIE_NAME] = CSRF
    extra = {"HTTP_X_CSRFTOKEN": CSRF} | extra
    content, content_type = body if method in ("POST", "PUT", "PATCH", "DELETE") else (b"", "")
    kept = {name: morsel.value for name, morsel in client.cookies.items()}
    if "HTTP_COOKIE" in extra:  # beside the session's own
        words = [*(f"{name}={value}" for name, value in kept.items()), extra["HTTP_COOKIE"]]
        extra = extra | {"HTTP_COOKIE": "; ".join(words)}
    before = transaction.savepoint()
    try:
        with watching() as queries:
            answer = client.generic(method, path, content, content_type=content_type, QUERY_STRING=query, **extra)
            if answer.streaming:
                b"".join(answer.streaming_content)
        written = [sql for sql in writes(queries) if not BESIDE.match(sql)]
        return answer, written, Rows() if written else None
    finally:
        transaction.savepoint_rollback(before)
        client.cookies.clear()
        client.cookies.load(kept)


def a_body_for(address, team):
    """Generate pure garbage, or a valid form with garbage in its fields."""
    right = [(name, one) for name, value in BODIES.get(address.name, lambda _: {})(team).items()
             for one in (value if isinstance(value, list) else [value])]  # fmt: skip
    if not right:
        return bodies
    own = st.sampled_from([name for name, _ in right])
    spoilt = st.lists(st.tuples(st.one_of(own, names), texts), min_size=1, max_size=4)
    some = st.lists(st.sampled_from(right), unique_by=lambda pair: pair[0])
    mixed = st.tuples(some, spoilt).map(lambda both: (urlencoded([*both[0], *both[1]]), FORM))
    return st.one_of(bodies, mixed, mixed)


@cases(0.2, 200)
@given(data=st.data(), query=queries, extra=headers)
def test_garbage_without_a_session_changes_nothing(team, data, query, extra):
    address = data.draw(st.sampled_from(ADDRESSES))
    body, method = data.draw(a_body_for(address, team)), data.draw(methods_for(address))
    answer, written, _ = throw(Client(), method, path_of(address, team), body, query, extra)
    assert answer.status_code < 500, address.name
    assert not written, address.name


@cases(0.32, 320)
@given(data=st.data(), query=queries, extra=headers)
def test_garbage_from_a_member_creates_nothing_and_loses_nothing(team, data, query, extra):
    before, client = known(team), signed_in(team, "colleague")
    address = data.draw(st.sampled_from(OWN))
    body, method = data.draw(a_body_for(address, team)), data.draw(methods_for(address))
    answer, written, after = throw(client, method, path_of(address, team), body, query, extra)
    assert answer.status_code < 500, address.name
    assert not (written and answer.status_code >= 400), address.name
    assert not (written and method != "POST"), address.name
    if after:
        assert not after.lost_since(before, team.ben), address.name
        made = after.of[Generation].keys() - before.of[Generation].keys()
        # A created row was requested: it has a readable prompt, and the response reports it.
        assert not made or (address.name == "generations" and answer.status_code in (200, 302)), address.name
        for pk in made:
            assert not CONTROL_CHARACTERS.search(after.of[Generation][pk]["prompt"])


@cases(0.16, 120)
@given(data=st.data(), query=queries, extra=headers)
def test_garbage_from_an_admin_is_answered(team, data, query, extra):
    before, client = known(team), signed_in(team, "admin")
    address = data.draw(st.sampled_from(ADDRESSES))
    body, method = data.draw(a_body_for(address, team)), data.draw(methods_for(address))
    answer, written, after = throw(client, method, path_of(address, team), body, query, extra)
    assert answer.status_code < 500, address.name
    assert not (written and answer.status_code >= 400), address.name
    if after:
        assert before.of[Generation].keys() <= after.of[Generation].keys(), address.name
        assert before.of[ApiToken].keys() <= after.of[ApiToken].keys(), address.name


# Made once for all cases of a test: a sign-in or a look at all rows takes as long as ten of them.
def known(team: Team) -> Rows:
    if not hasattr(team, "rows"):
        team.rows = Rows()
    return team.rows


def signed_in(team: Team, who: str) -> Client:
    if not hasattr(team, "signed_in"):
        team.signed_in = team.client(who)
    return team.signed_in


@cases(0.1, 120)
@given(data=st.data(), who=st.sampled_from(["nobody", "colleague"]), method=st.sampled_from(["GET", "POST", "HEAD"]))
def test_no_url_with_garbage_answers_500(team, data, who, method):
    address = data.draw(st.sampled_from(WITH_WORDS))
    garbage = data.draw(st.one_of(texts.map(bytes_of), raw))
    tail = data.draw(st.sampled_from(["", "/", "%ff", "%00", "%2e%2e/"]))
    path = "/" + re.sub("<[^>]+>", lambda _: quote_from_bytes(garbage[:300]), address.route) + tail
    client = signed_in(team, "colleague") if who == "colleague" else Client()
    answer, written, _ = throw(client, method, path, (b"", FORM), "", {})
    assert answer.status_code < 500
    assert not written


# ── Separate entry points ────────────────────────────────────────────────────────────────────────────────────────


@cases(0.05, 60)
@given(fields=st.fixed_dictionaries({}, optional=dict.fromkeys(["username", "password1", "password2", "code"], texts)))
def test_garbage_creates_no_first_admin(fields):
    before = transaction.savepoint()
    answer = Client().generic("POST", "/setup/", urlencoded(fields.items()), content_type=FORM)
    made = Member.objects.count()
    transaction.savepoint_rollback(before)
    assert (answer.status_code, made) in ((422, 0), (400, 0)) or (
        # The garbage was valid by chance: a name, and the same good password twice.
        (answer.status_code, made) == (302, 1) and fields["password1"] == fields["password2"]
    )


@cases(0.05, 60)
@given(fields=st.fixed_dictionaries({}, optional=dict.fromkeys(["username", "password", "next"], texts)), extra=headers)
def test_garbage_signs_nobody_in(team, fields, extra):
    client = Client()
    body = (urlencoded([*fields.items(), *([] if "username" in fields else [("username", "ada")])]), FORM)
    answer, _, _ = throw(client, "POST", "/login/", body, "", extra)
    assert answer.status_code in (200, 400, 403, 429)
    assert client.get("/").status_code == 302


KEYS = [
    "success", "task_id", "video_id", "prompt", "video_url", "video_width", "video_height", "state", "error",
    "thumbnail_url", "thumbnail_width", "thumbnail_height", "trace_id", "code", "message", "data", "response",
]  # fmt: skip
likely = st.one_of(json_values, texts, st.just("https://example.com/v.mp4"))
news = st.one_of(
    raw,
    st.one_of(json_values, st.dictionaries(st.sampled_from(KEYS), likely, max_size=9)).map(json.dumps).map(str.encode),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
)


@cases(0.12, 150)
@given(
    body=news, content_type=st.sampled_from([*CONTENT_TYPES, "application/json"]), extra=headers, right=st.booleans()
)
def test_garbage_in_callbacks_is_answered_and_loses_nothing(team, body, content_type, extra, right):
    before = known(team)
    path = reverse("callback", args=[team.at_work.uuid, team.callback_key if right else NOBODY])
    answer, written, after = throw(Client(), "POST", path, (body, content_type), "", extra)
    assert answer.status_code in ((204, 400, 404, 413) if right else (404,))
    assert not (written and answer.status_code != 204)
    if after:
        row = after.of[Generation][team.at_work.pk]
        asked = {name: row[name] for name in ("prompt", "member_id", "token_id", "amount", "callback_key_hash")}
        assert asked.items() <= before.of[Generation][team.at_work.pk].items()
        assert row["state"] in (State.SUBMITTING, State.PROCESSING, State.COMPLETED, State.FAILED)
        assert row["state"] != State.COMPLETED or row["video_url"].startswith("http")
        for pk in before.of[Generation].keys() - {team.at_work.pk}:
            assert after.of[Generation][pk] == before.of[Generation][pk]
