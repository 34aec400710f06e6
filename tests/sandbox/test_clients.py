"""The provider's unmodified SDK and command line client against the sandbox."""

import json
import os
import subprocess

import pytest

from .process import ROOT, CallbackReceiver, Sandbox, photo, wait_for

pytestmark = pytest.mark.clients
CLIENTS = ROOT / ".venv/clients/bin"
SDK = """
import json, sys
from acedatacloud import AceDataCloud

base, picture, callback_url = sys.argv[1:]
client = AceDataCloud(api_token="sandbox", base_url=base, platform_base_url=base)
frame = client.files.upload(picture)["file_url"]
task = client.luma.generate(prompt="[slow] a fox", start_image_url=frame, callback_url=callback_url)
done = task.wait()
print(json.dumps({"id": task.id, "frame": frame, "urls": task.urls(), "task": done}))
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    running = Sandbox(tmp_path_factory.mktemp("clients"), seconds=0.8)  # [slow] takes longer than one pause of the SDK
    yield running
    running.stop()


def run(sandbox, program, *words):
    """Run a program of the clients' environment; return what it prints."""
    assert (CLIENTS / program).exists(), "the clients are not installed: make test-deploy"
    env = os.environ | {"ACEDATACLOUD_API_BASE_URL": sandbox.url, "ACEDATACLOUD_API_TOKEN": "sandbox"}
    env["COLUMNS"] = "400"  # in a narrower one the command line client wraps its JSON
    done = subprocess.run([CLIENTS / program, *words], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_sdk_with_a_start_frame_and_a_callback_address_ends_with_the_video(sandbox, tmp_path):
    picture = tmp_path / "frame.jpg"
    picture.write_bytes(photo((320, 180), 1))
    receiver = CallbackReceiver()
    try:
        said = json.loads(run(sandbox, "python", "-c", SDK, sandbox.url, str(picture), f"{receiver.url}/sdk"))
        (called,) = wait_for(lambda: receiver.bodies("/sdk"))
    finally:
        receiver.shutdown()
        receiver.server_close()
    assert said["task"]["request"]["start_image_url"] == said["frame"] not in said["urls"]
    assert said["urls"][0] == called["video_url"] and said["id"] == called["task_id"]
    assert sandbox.http.get(said["urls"][0]).content[4:8] == b"ftyp"
    assert [line["accepted"] for line in sandbox.ledger() if line["prompt"] == "[slow] a fox"] == [True]


def test_the_command_line_client_waits_until_a_task_is_completed(sandbox):
    held = json.loads(run(sandbox, "python", "-m", "luma_cli", "generate", "a lake", "--json"))
    assert held["state"] == "completed"
    task_id = json.loads(run(sandbox, "luma", "generate", "[slow] a lake", "--async", "--json"))["task_id"]
    said = run(sandbox, "luma", "wait", task_id, "--interval", "1", "--timeout", "60")
    assert "completed!" in said and "Video Url" in said
