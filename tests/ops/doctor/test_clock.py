"""The doctor on the clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lumaweb.ops.doctor import clock

from ...support.doctor import Front, said_by
from ...support.factories import a_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (0, "ok: The clock agrees with "),
        (20, "warn: The clock is "),
        (3600, "fail: The clock is "),
        (-3600, "fail: The clock is "),
    ],
)
def test_a_wrong_clock_is_reported(settings, ahead, words):
    with Front("http://127.0.0.1:9") as front:
        front.meddle = lambda method, path, body: (200, {}, b"")
        front.dress = lambda headers: (
            headers | {"Date": format_datetime(datetime.now(UTC) - timedelta(seconds=ahead), usegmt=True)}
        )
        a_token(base_url=front.url)
        said = said_by(clock.clock)
    assert words in said, said
    if ahead:
        assert ("ahead of" if ahead > 0 else "behind") in said and "NTP" in said
