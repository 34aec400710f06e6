"""The environment's variables of a bucket, and what they let pages load."""

import json
import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from lumaweb.environment import rules
from lumaweb.environment.services import Bucket
from lumaweb.environment.variables import object_storage
from lumaweb.error_reports import Filter

from ...support.installation import ROOT, Installation
from ...support.s3_server import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.django_db(transaction=True)


def read(monkeypatch, **variables: str) -> Bucket | None:
    for name in [name for name in os.environ if name.startswith("LUMAWEB_S3")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(f"LUMAWEB_S3_{name}", value)
    rules.require_valid()
    return object_storage.bucket()


def test_no_bucket_is_configured_by_default(monkeypatch):
    assert read(monkeypatch) is None
    assert read(monkeypatch, ENDPOINT="https://s3.example.com", SECRET_KEY="x") is None


@pytest.mark.parametrize(
    "variables, endpoint, origin",
    [
        ({}, "https://s3.us-east-1.amazonaws.com", "https://films.s3.us-east-1.amazonaws.com"),
        (
            {"REGION": "eu-central-1"},
            "https://s3.eu-central-1.amazonaws.com",
            "https://films.s3.eu-central-1.amazonaws.com",
        ),
        ({"ENDPOINT": "https://s3.example.com/"}, "https://s3.example.com", "https://s3.example.com"),
        (
            {"ENDPOINT": "http://minio:9000", "PUBLIC_ENDPOINT": "https://media.example.com"},
            "http://minio:9000",
            "https://media.example.com",
        ),
        (
            {"ENDPOINT": "https://s3.example.com", "ADDRESSING": "virtual"},
            "https://s3.example.com",
            "https://films.s3.example.com",
        ),
    ],
)
def test_a_bucket_is_read_from_the_environment(monkeypatch, variables, endpoint, origin):
    found = read(monkeypatch, BUCKET="films", **variables)
    assert (found.endpoint, found.origin, found.link_seconds) == (endpoint, origin, 600)


@pytest.mark.parametrize(
    "name, value",
    [
        ("BUCKET", "no such name/"),
        ("BUCKET", "x"),
        ("ENDPOINT", "s3.example.com"),
        ("ENDPOINT", "https://s3.example.com/films"),
        ("PUBLIC_ENDPOINT", "ftp://s3.example.com"),
        ("REGION", "eu central"),
        ("ADDRESSING", "dns"),
        ("PREFIX", "../films"),
        ("PREFIX", "a//b"),
        ("LINK_SECONDS", "5"),
        ("LINK_SECONDS", "86400"),
        ("SECRET_KEY", "half-of-a-pair"),
    ],
)
def test_an_invalid_value_stops_the_start_with_a_message_without_secrets(monkeypatch, name, value):
    with pytest.raises(ImproperlyConfigured) as stop:
        read(monkeypatch, **({"BUCKET": "films"} | {name: value}))
    said = str(stop.value)
    assert f"LUMAWEB_S3_{name}" in said and "set" in said.lower()
    assert "half-of-a-pair" not in said


@pytest.mark.parametrize("value", ["protected", "/protected", "protected/", "//", "/a b/", "/../", "https://x/"])
def test_a_path_of_the_proxy_has_a_slash_at_both_ends(monkeypatch, value):
    monkeypatch.setenv("LUMAWEB_ACCEL_PREFIX", value)
    with pytest.raises(ImproperlyConfigured, match="LUMAWEB_ACCEL_PREFIX"):
        rules.require_valid()


LOOK_AT_THE_START = """
import json, sys
import django; django.setup()
from django.conf import settings
import lumaweb.wsgi
from django.core.files.storage import default_storage
lazy = not any(name in sys.modules for name in ("boto3", "botocore", "storages"))
print(json.dumps([lazy, settings.MEDIA_SOURCES, type(default_storage._wrapped or default_storage).__name__,
    type(default_storage.__class__).__name__, default_storage.__class__.__name__]))
"""


@pytest.mark.parametrize("with_bucket", [False, True])
def test_media_come_only_from_lumaweb_and_the_bucket_and_boto3_is_imported_only_with_one(s3, tmp_path, with_bucket):
    env = Installation(tmp_path / "home", **(s3.env if with_bucket else {})).env
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_THE_START],
        cwd=ROOT,
        env=env | {"DJANGO_SETTINGS_MODULE": "lumaweb.settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lazy, loaded_from, *_, storage = json.loads(done.stdout)
    # The web server loads boto3 before it forks, and never without a bucket.
    assert lazy is not with_bucket
    assert loaded_from == ["'self'", s3.url] if with_bucket else ["'self'"]
    assert storage == ("BucketStorage" if with_bucket else "FileSystemStorage")


def test_no_page_of_an_error_shows_the_keys(settings, bucket):
    shown = repr(Filter().get_safe_settings()) + repr(bucket)
    assert SECRET_KEY not in shown and ACCESS_KEY not in shown
