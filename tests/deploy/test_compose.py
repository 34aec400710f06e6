"""The Docker Compose files: restrictions, limits, and what they start."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from lumaweb.environment.variables import VARIABLES
from lumaweb.ops.management.commands.migrate import Command as Migrate
from videos.media.decoding import client as decoding

from ..support.debian import program
from ..support.deployment import DEPLOY, IDLE, in_bytes, servers

FILES = ["compose.yaml", "compose.scale.yaml"]

OURS = {"migrate", "lumaweb", "web", "worker", "ticker"}


def composed(file: str) -> dict:
    return yaml.safe_load((DEPLOY / file).read_text())


@servers
@pytest.mark.parametrize("file", FILES)
def test_docker_compose_accepts_the_file(file, tmp_path):
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder)
    command = [program("docker-compose"), "-f", str(folder / file), "config"]
    env = {name: said for name, said in os.environ.items() if not name.startswith(("LUMAWEB", "POSTGRES"))}
    shutil.copy(DEPLOY / "lumaweb.env.example", folder / ".env")
    refused = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "Set it in .env" in refused.stderr
    with (folder / ".env").open("a") as more:
        more.write("LUMAWEB_PUBLIC_URL=https://films.example.com\nPOSTGRES_PASSWORD=abc123\n")
    read = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert read.returncode == 0, read.stderr
    assert set(yaml.safe_load(read.stdout)["services"]) == set(composed(file)["services"])


@pytest.mark.parametrize("file", FILES)
def test_every_container_of_lumaweb_is_restricted(file):
    services = composed(file)["services"]
    for name in OURS & set(services):
        service = services[name]
        assert service["read_only"] and service["tmpfs"] == ["/tmp"], name
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        # The supervisor waits 12 s for its parts, 3 s for those that stop last, and 3 s for what had to be killed.
        assert service["stop_grace_period"] == "30s", name
        assert "ports" not in service, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    for name, service in services.items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert re.search(r":\d[\w.-]*$", service["image"]), f"{name} has no version"
        assert ("ports" in service) == (name == "caddy")


@pytest.mark.parametrize("file", FILES)
def test_every_command_in_compose_exists(file):
    from lumaweb.ops.management.commands.serve import Command as Serve

    for name in OURS & set(composed(file)["services"]):
        first, *options = composed(file)["services"][name]["command"]
        if first == "serve":
            Serve().create_parser("manage.py", "serve").parse_args(options)
        else:
            Migrate().create_parser("manage.py", "migrate").parse_args(options)


def test_services_wait_for_the_migration():
    for file in FILES:
        for name, service in composed(file)["services"].items():
            if name in OURS - {"migrate"}:
                assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}, name


@pytest.mark.parametrize("file", FILES)
def test_every_container_has_limits_of_memory_and_tasks_with_room_for_decoding(file):
    for name, service in composed(file)["services"].items():
        most = in_bytes(service["mem_limit"])
        assert 64 <= service["pids_limit"] <= 256, name
        if name in IDLE:
            assert most > IDLE[name] + (0 if name == "ticker" else decoding.MEMORY_ALONE), name


def test_the_database_and_the_queue_are_not_reachable_from_outside():
    scale = composed("compose.scale.yaml")
    assert scale["networks"]["back"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert scale["services"][name]["networks"] == ["back"]
    assert scale["services"]["caddy"]["networks"] == ["front"]


def test_no_file_of_compose_scales_sqlite():
    """Only services with a shared database may be scaled; the file with SQLite has one of each."""
    one, several = composed("compose.yaml")["services"], composed("compose.scale.yaml")["services"]
    assert set(one) == {"migrate", "lumaweb", "caddy"}
    for name in ("migrate", "web", "worker", "ticker"):
        assert several[name]["environment"]["DATABASE_URL"].startswith("postgres://")
        assert several[name]["environment"]["LUMAWEB_LUMA_BASE_URL"], "nobody starts the sandbox there"


@pytest.mark.parametrize("file", FILES)
def test_compose_sets_only_variables_that_the_settings_read(file):
    for name in OURS & set(composed(file)["services"]):
        assert set(composed(file)["services"][name]["environment"]) <= VARIABLES.keys()


@pytest.mark.parametrize("file", FILES)
def test_caddy_removes_the_header_that_lumaweb_believes(file):
    # Never empty, as Caddy would use an empty value instead of its default.
    assert composed(file)["services"]["caddy"]["environment"]["LUMAWEB_AUTH_HEADER"] == (
        "${LUMAWEB_AUTH_HEADER:-Remote-User}"
    )
