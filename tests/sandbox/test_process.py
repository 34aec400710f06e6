"""The sandbox as a process: restarts, many requests at the same time, wrong settings."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from .process import ROOT, Sandbox, wait_for


def test_a_restart_keeps_tasks_and_files_and_finishes_open_tasks(tmp_path, receiver):
    first = Sandbox(tmp_path, seconds=1.5)
    try:
        task_id = first.request_video("kept", callback_url=f"{receiver.url}/kept").json()["task_id"]
        cut_off = first.process
        stopping = time.monotonic()
    finally:
        first.stop()
    assert cut_off.returncode == 0 and time.monotonic() - stopping < 3
    second = Sandbox(tmp_path, seconds=1.5)
    try:
        result = second.wait_for_response(task_id)
        assert second.frames(result["video_url"])
        wait_for(lambda: receiver.bodies("/kept"))
    finally:
        second.stop(signal.SIGKILL)
    third = Sandbox(tmp_path)
    try:
        kept = third.task(task_id)["response"]
        assert kept["video_id"] == result["video_id"] and kept["video_url"].startswith(third.url)
        assert third.http.get(kept["video_url"]).status_code == 200
        assert [line["accepted"] for line in third.ledger()] == [True]
    finally:
        third.stop(signal.SIGINT)


def test_two_hundred_posts_wait_at_the_same_time(tmp_path):
    running = Sandbox(tmp_path, accept_seconds=5, seconds=60)
    try:
        limits = httpx.Limits(max_connections=200)
        with (
            httpx.Client(base_url=running.url, timeout=60, limits=limits, trust_env=False) as client,
            ThreadPoolExecutor(200) as pool,
        ):

            def ask(number):
                payload = {"prompt": f"[fail] {number}", "async": True}
                return client.post("/luma/videos", json=payload, headers={"authorization": "Bearer sandbox"})

            answers = list(pool.map(ask, range(200)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["task_id"] for answer in answers}) == 200
        held = [(line["received_at"], line["answered_at"]) for line in running.ledger()]
        # Not all 200: a busy machine needs part of the five seconds to send them.
        assert max(sum(since <= at < until for since, until in held) for at, _ in held) > 100
    finally:
        running.stop()


def test_a_wrong_setting_stops_the_start_with_a_message():
    command = [sys.executable, "-m", "videos.sandbox", "--faults", "lots=1"]
    stopped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert stopped.returncode != 0 and "name=probability" in stopped.stderr
