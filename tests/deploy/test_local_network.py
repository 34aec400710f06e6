"""`HOST=0.0.0.0 make run` in a separate network, as another machine sees it."""

import json
import os
import subprocess
import sys

import pytest

from ..support.installation import ROOT

pytestmark = [pytest.mark.servers, pytest.mark.embedded]

NETWORK = "ip link set lo up && ip addr add 192.168.77.5/32 dev lo && hostname filmbox && exec {python} -c '{code}'"
# Printed: the ready line, and how the server answers to each name.
VISIT = """
import json, sys, time
from pathlib import Path
import httpx
from tests.support.installation import Installation
installation = Installation(Path(sys.argv[1]), HOST="0.0.0.0")
installation.start()
try:
    end = time.monotonic() + 30
    while "Lumaweb is ready" not in installation.log.read_text() and time.monotonic() < end:
        time.sleep(0.1)
    at = f"http://192.168.77.5:{installation.port}"
    names = ["192.168.77.5", "filmbox", "filmbox.local", "127.0.0.1", "films.example.com"]
    answers = {name: httpx.get(f"{at}/login/", headers={"Host": name}, trust_env=False).status_code for name in names}
    installation.url = at
    saved = installation.visitor("ada").http.get("/profile/").status_code
    print(json.dumps({"port": installation.port, "log": installation.log.read_text(), "answers": answers, "in": saved}))
finally:
    installation.stop()
"""


def test_a_team_on_the_local_network_uses_the_addresses_of_the_ready_line(tmp_path):
    assert os.geteuid() == 0, "A network namespace takes root; run this test as root"
    script = NETWORK.format(python=sys.executable, code=VISIT.replace("sys.argv[1]", f'"{tmp_path / "data"}"'))
    done = subprocess.run(
        ["unshare", "--net", "--uts", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    port = found["port"]
    ready = f"Lumaweb is ready at http://192.168.77.5:{port}/ (also http://filmbox.local:{port}/)\n"
    assert ready in found["log"] and "0.0.0.0" not in found["log"]
    served = dict.fromkeys(["192.168.77.5", "filmbox", "filmbox.local", "127.0.0.1"], 200)
    assert found["answers"] == served | {"films.example.com": 400}
    assert found["in"] == 200, "a member who signed in at the address is not signed in"
