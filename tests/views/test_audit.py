"""The audit log: filters, and the download."""

import csv
import io
from datetime import UTC, datetime

import pytest

from videos.models import AuditEntry
from videos.views import audit

from ..support.factories import a_member, an_admin

pytestmark = pytest.mark.django_db
CSV = "/team/changes/audit-log.csv"


@pytest.fixture
def admin(client):
    root = an_admin()
    client.force_login(root)
    return root


def record(text: str, by=None, at: str = "2026-11-10T12:00", about=None) -> AuditEntry:
    entry = AuditEntry.objects.record(by, text, about=about)
    AuditEntry.objects.filter(pk=entry.pk).update(at=datetime.fromisoformat(at).replace(tzinfo=UTC))
    return entry


def rows(client, **filters) -> list[list[str]]:
    answer = client.get(CSV, filters)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(b"".join(answer).decode())))


def test_the_csv_has_every_entry_in_order_page_by_page(client, admin, monkeypatch):
    monkeypatch.setattr(audit, "CSV_PAGE_SIZE", 3)
    ada = a_member()
    for number in range(8):
        record(f"Change {number}.", admin if number % 2 else None, about=ada)
    found = rows(client)
    assert found[0] == ["time", "by", "about", "change"]
    assert [row[3] for row in found[1:]] == [f"Change {number}." for number in reversed(range(8))]
    assert found[1] == ["2026-11-10T12:00:00+00:00", "root", "ada", "Change 7."] and found[2][1] == ""
    answer = client.get(CSV)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="lumaweb-audit-log-2')


def test_the_times_are_those_of_the_team(client, admin, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    record("Late.", at="2026-11-10T20:00")
    assert rows(client)[1][0] == "2026-11-11T05:00:00+09:00"
    assert len(rows(client, since="2026-11-11")) == 2 and len(rows(client, until="2026-11-10")) == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "＝1"])
def test_no_entry_and_no_name_is_a_formula(client, admin, text):
    record(text, an_admin(text))
    _, by, _, change = rows(client)[1]
    assert (change, by[:1]) == (f"'{text}", "'")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["Three", "Two", "One"]),
        ({"q": "tW"}, ["Two"]),
        ({"by": "lumaweb"}, ["Two"]),
        ({"by": "{admin}"}, ["Three", "One"]),
        ({"since": "2026-11-11"}, ["Three", "Two"]),
        ({"until": "2026-11-11"}, ["Two", "One"]),
        ({"since": "2026-11-11", "until": "2026-11-11"}, ["Two"]),
        ({"q": "nothing"}, []),
    ],
)
def test_page_and_csv_have_the_same_filters(client, admin, filters, expected):
    record("One", admin)
    record("Two", at="2026-11-11T23:59")
    record("Three", admin, at="2026-11-12T00:00")
    filters = {name: value.replace("{admin}", f"member-{admin.pk}") for name, value in filters.items()}
    answer = client.get("/team/changes/", filters)
    assert [entry.text for entry in answer.context["audit_entries"]] == expected
    assert [row[3] for row in rows(client, **filters)[1:]] == expected
    assert f'href="{CSV}{"?" if filters else ""}' in answer.content.decode()
    assert ("No changes match." in answer.content.decode()) == (not expected)


def test_older_pages_keep_the_filters(client, admin):
    for number in range(60):
        record(f"Change {number}.", admin)
    record("Other", None)
    page = client.get("/team/changes/", {"by": f"member-{admin.pk}"})
    assert f'href="?by=member-{admin.pk}&amp;before=' in page.content.decode()
    older = client.get(f"/team/changes/?{page.context['older']}")
    assert len(page.context["audit_entries"]) == 50 and len(older.context["audit_entries"]) == 10


@pytest.mark.parametrize(
    "filters", [{"since": "yesterday"}, {"by": "member-999"}, {"q": "\0"}, {"until": "9999-12-31"}]
)
def test_an_invalid_filter_is_named(client, admin, filters):
    record("One", admin)
    answer = client.get("/team/changes/", filters)
    assert answer.status_code == 422 and "This filter is ignored." in answer.content.decode()
    assert [entry.text for entry in answer.context["audit_entries"]] == ["One"]
    answer = client.get(CSV, filters)
    assert answer.status_code == 422 and answer["Content-Type"] == "text/plain; charset=utf-8"
