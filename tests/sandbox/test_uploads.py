"""File upload at the sandbox: both endpoints, and the accounts that may use a file."""

import io
import sqlite3
import time
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from .process import ENCODING_DIFFERENCE, Sandbox, difference, photo, resized

FORMS = [("/files/upload", "url"), ("/api/v1/files/", "file_url")]
DAY = 24 * 3600


def upload(sandbox, picture, token="sandbox", path="/files/upload", field="file", name="frame.jpg"):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return sandbox.http.post(path, files={field: (name, picture)}, headers=headers)


@pytest.mark.parametrize(("path", "key"), FORMS)
def test_an_uploaded_picture_becomes_the_start_frame_of_its_account(sandbox, path, key):
    picture = photo((320, 180), 5)
    answer = upload(sandbox, picture, path=path)
    assert answer.status_code == 200, answer.text
    assert answer.json()[key].startswith(f"{sandbox.url}/files/")
    assert (answer.json().get("success") is True) == (key == "url")
    until = datetime.fromisoformat(answer.json()["expires_at"]).timestamp()
    assert until == pytest.approx(time.time() + 7 * DAY, abs=60)
    made = sandbox.request_video("a river", start_image_url=answer.json()[key], aspect_ratio="16:9").json()
    first = sandbox.frames(made["video_url"])[0]
    assert difference(first, resized(picture, first.shape)) < ENCODING_DIFFERENCE


def test_another_account_cannot_use_an_uploaded_picture(sandbox):
    link = upload(sandbox, photo((64, 64), 6), token="sandbox-owner").json()["url"]
    answer = sandbox.request_video("a river", start_image_url=link)
    assert answer.status_code == 400
    assert "could not fetch start_image_url: the file belongs to another account" in answer.json()["error"]["message"]
    for token, status in (("sandbox-owner", 200), ("sandbox-owner:second-key", 200), ("sandbox", 403), ("", 401)):
        got = sandbox.http.get(link, headers={"authorization": f"Bearer {token}"} if token else {})
        assert got.status_code == status
    assert got.json()["error"]["code"] == "no_token"


@pytest.mark.parametrize(("token", "status"), [("", 401), ("wrong", 401), ("sandbox-limited", 429)])
def test_an_upload_needs_a_valid_token(sandbox, token, status):
    assert upload(sandbox, photo((64, 64), 1), token=token).status_code == status


def test_an_upload_that_is_not_a_picture_or_too_large_is_rejected(sandbox):
    noise = np.random.default_rng(1).integers(0, 255, (3100, 2900, 3), np.uint8)
    large = io.BytesIO()
    Image.fromarray(noise).save(large, "PNG", compress_level=0)
    for picture, status, code in (
        (b"<svg/>", 400, "bad_request"),
        (b"", 400, "bad_request"),
        (large.getvalue(), 413, "request_too_large"),
    ):
        answer = upload(sandbox, picture)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert upload(sandbox, photo((64, 64), 1), field="picture").status_code == 400
    headers = {"authorization": "Bearer sandbox"}
    assert sandbox.http.post("/files/upload", json={"file": "x"}, headers=headers).status_code == 400
    assert sandbox.http.post("/files/upload", content=b"x" * (27 << 20), headers=headers).status_code == 413


def test_uploads_survive_a_restart_and_end_when_they_expire(tmp_path):
    first = Sandbox(tmp_path)
    name = upload(first, photo((64, 64), 7)).json()["url"].rpartition("/")[2]
    first.stop()
    second = Sandbox(tmp_path)
    try:
        link = f"{second.url}/files/{name}"
        assert second.request_video("a lake", start_image_url=link).json()["success"] is True
        with sqlite3.connect(tmp_path / "sandbox/ledger.sqlite3") as database:
            database.execute("UPDATE files SET expires_at = ?", (time.time(),))
        database.close()
        assert "has expired" in second.request_video("a lake", start_image_url=link).json()["error"]["message"]
    finally:
        second.stop()
