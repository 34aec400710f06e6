"""The alerts and the dashboard in deploy/monitoring/, checked by promtool against a running installation."""

import json
import re
import time
from pathlib import Path

import httpx
import pytest
import yaml

from ..support.debian import done, program
from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.servers

MONITORING = ROOT / "deploy/monitoring"
RULES, DASHBOARD = MONITORING / "lumaweb.rules.yml", MONITORING / "grafana-dashboard.json"
TOKEN = "monitoring-token-0123456789"
# Metrics of Prometheus itself.
OTHER_METRICS = {"up"}
METRIC = re.compile(r"\b(lumaweb_[a-z_]+|up)\b(?!\")")
# Values for the variables that Grafana replaces before it sends a query.
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$job": "lumaweb"}


def rules() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels(within: list[dict]) -> list[dict]:
    """Return all panels, those of collapsed rows too."""
    return [panel for one in within for panel in [one, *panels(one.get("panels", []))]]


def panel_queries() -> dict[str, str]:
    """Return every query of the dashboard by a name, with Grafana's variables replaced."""
    queries = {}
    for panel in panels(json.loads(DASHBOARD.read_text())["panels"]):
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            queries[f"{panel['title']} {target['refId']}"] = query
    return queries


def metrics_of(query: str) -> set[str]:
    """Return the metrics that a query names, without the suffixes of histograms."""
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in METRIC.findall(query)}


def check(folder: Path, queries: dict[str, str]) -> str:
    """Let promtool parse the queries as recording rules; return its output."""
    file = folder / "queries.yml"
    recorded = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries.values())]
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))
    return done(program("promtool"), "check", "rules", file)


# ── Promtool ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_promtool_accepts_the_rules_and_every_query_of_the_dashboard(tmp_path):
    assert f"{len(rules())} rules found" in done(program("promtool"), "check", "rules", RULES)
    queries = panel_queries()
    assert len(queries) > 20
    assert f"{len(queries)} rules found" in check(tmp_path, queries)
    with pytest.raises(AssertionError, match="could not parse expression"):
        check(tmp_path, {"broken": "sum(up"})


def test_each_alert_fires_when_it_should_and_only_then():
    tests = ROOT / "tests/deploy/monitoring/alerts.yml"
    done(program("promtool"), "test", "rules", tests, cwd=tests.parent)
    cases = [case for group in yaml.safe_load(tests.read_text())["tests"] for case in group["alert_rule_test"]]
    for rule in rules():
        fires = {bool(case.get("exp_alerts")) for case in cases if case["alertname"] == rule["alert"]}
        assert fires == {True, False}, f"{rule['alert']} is not tested both ways"


def test_each_alert_says_what_happened_and_what_to_do():
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]


# ── What /metrics serves ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> dict[str, set[str]]:
    """The labels of every metric that an installation serves which has made a video and reads its balance."""
    folder = tmp_path_factory.mktemp("monitoring")
    backups = str(folder / "backups")
    site = Installation(folder / "site", LUMAWEB_METRICS_TOKEN=TOKEN, LUMAWEB_BACKUP_DIR=backups)
    try:
        site.start()
        ada = site.visitor()
        ada.wait_until_saved(ada.submit(prompt="A lighthouse"))
        answer = ada.post("/provider/account/", token="platform-sandbox", warn_below="50")
        assert "The platform token is stored" in answer.text
        return _scrape_until_all_is_there(site)
    finally:
        site.stop()


def _scrape_until_all_is_there(site: Installation) -> dict[str, set[str]]:
    """Scrape until the histograms and the first backup are written and the finished videos counted, in some seconds."""
    wanted = {
        "lumaweb_provider_post_seconds",
        "lumaweb_callback_seconds",
        "lumaweb_http_seconds",
        "lumaweb_balance_days",
        "lumaweb_backup_last_success_timestamp_seconds",
    }
    end = time.monotonic() + 60
    while True:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.get(f"{site.url}/metrics", headers=headers, trust_env=False, timeout=20)
        said = answer.text
        found = {name: set() for name in re.findall(r"^# TYPE (\S+)", said, re.MULTILINE)}
        sampled = set()
        for sample, labels in re.findall(r"^(lumaweb_\w+?)(?:\{(.*)\})? ", said, re.MULTILINE):
            name = sample if sample in found else re.sub(r"_(bucket|count|sum)$", "", sample)
            found[name] |= set(re.findall(r'(\w+)="', labels))
            sampled.add(name)
        if wanted <= sampled:
            return found
        assert time.monotonic() < end, f"{wanted - sampled} are missing:\n{said}"
        time.sleep(0.5)


def test_every_query_names_metrics_and_labels_that_are_served(served):
    queries = {rule["alert"]: rule["expr"] for rule in rules()} | panel_queries()
    ours = {"job", "instance", "le"}
    for name, query in queries.items():
        metrics = metrics_of(query)
        assert metrics, name
        assert metrics <= served.keys() | OTHER_METRICS, f"{name}: {metrics - served.keys()}"
        labels = set(re.findall(r"[{,]\s*(\w+)\s*[=!]~?\s*\"", query))
        for words in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", query):
            labels |= set(re.findall(r"\w+", words))
        known = ours.union(*(served.get(metric, set()) for metric in metrics))
        known |= {"step"} if "lumaweb_ticker_step_failing" in metrics else set()
        assert labels <= known, f"{name}: {labels - known}"


def test_an_alert_exists_for_each_thing_that_stops_an_installation():
    """Prometheus shows none of them for a running installation: promtool's tests have a healthy one."""
    assert {rule["alert"] for rule in rules()} >= {
        "LumawebDown",
        "LumawebWorkersSilent",
        "LumawebTickerStopped",
        "LumawebQueueNotMoving",
        "LumawebUnconfirmedGrowing",
        "LumawebVideosNotSaved",
        "LumawebDiskLow",
        "LumawebBackupTooOld",
        "LumawebBackupMissing",
        "LumawebTokenDisabled",
        "LumawebBalanceLow",
        "LumawebServerErrors",
    }


def test_the_dashboard_can_be_imported_and_overlaps_nowhere():
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["uid"] == "lumaweb" and dashboard["id"] is None
    ids = [panel["id"] for panel in panels(dashboard["panels"])]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels(dashboard["panels"]):
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
