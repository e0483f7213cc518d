# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics, alert rules and dashboard, by Prometheus' own tools: promtool, and a Prometheus that scrapes and is asked."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from web_fixture import Pretend, account, camera, free_port, served, worker

DEPLOY = Path(__file__).resolve().parents[3] / "examples" / "surveillance" / "deploy"
DASHBOARD = DEPLOY / "grafana" / "surveillance.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
NAME = re.compile(r"\b(?:surveillance|process)_\w+")

needs_prometheus = pytest.mark.skipif(not (shutil.which("promtool") and shutil.which("prometheus")),
                                      reason="Debian's package prometheus is not installed (group prometheus of .ci/packages)")


@pytest.fixture
def pretend(tmp_path):
    pretend = Pretend(tmp_path, camera(
        "front", workers=[worker("person"), worker('odd "name"\\', "stuck", level="best-effort", age_p50=None, age_p99=None,
                                                   limits={"drop_rate": 1.0, "frame_age": 0.0})],
        branches=[account("recorder-branch")], reports={"recorder": {"disk": "ok"}}), camera("back", phase="given up"))
    pretend.event(kind="give-up")
    return pretend


async def scrape(session, address):
    async with session.get(address + "/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return await answer.text()


def scraped(pretend) -> str:
    async def inside():
        async with served(pretend) as (_, address), aiohttp.ClientSession() as session:
            return await scrape(session, address)
    return asyncio.run(inside())


def samples(text):
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def named(**labels):
    return tuple(sorted(labels.items()))


def test_the_metrics_say_what_the_snapshot_says(pretend):
    told = samples(scraped(pretend))
    person = {"camera": "front", "worker": "person", "level": "high"}
    assert told["surveillance_worker_frames_dropped_total", named(**person)] == 9
    assert told["surveillance_worker_frame_age_seconds", named(**person, quantile="0.99")] == 0.08
    assert told["surveillance_worker_state", named(**person, state="ok")] == 1
    assert sum(value for (name, labels), value in told.items()
               if name == "surveillance_worker_state" and ("worker", "person") in labels) == 1
    assert told["surveillance_camera_phase", named(camera="back", phase="given-up")] == 1
    assert told["surveillance_ring_slots_in_use", named(camera="front", use="owned")] == 3
    assert told["surveillance_worker_frames_offered_total", named(camera="front", worker="recorder-branch", level="")] == 100
    assert told["surveillance_events_total", named(camera="front", kind="give-up")] == 1


def test_results_have_counts_and_latencies_and_zones_what_is_in_them(pretend):
    pretend.cameras[0]["workers"][0] |= {"results": 70, "results_refused": 3, "latency_p50": 0.1, "latency_p99": 0.5}
    pretend.cameras[0]["zones"] = [{"name": "door", "points": [], "inside": 2}]
    told = samples(scraped(pretend))
    person = {"camera": "front", "worker": "person", "level": "high"}
    assert told["surveillance_worker_results_total", named(**person)] == 70
    assert told["surveillance_worker_results_refused_total", named(**person)] == 3
    assert told["surveillance_worker_result_latency_seconds", named(**person, quantile="0.99")] == 0.5
    assert told["surveillance_zone_inside", named(camera="front", zone="door")] == 2
    assert not [labels for name, labels in told if name == "surveillance_worker_results_total" and ("worker", "recorder-branch") in labels]


def test_the_recorder_tells_what_it_keeps_and_how_its_disks_are(pretend):
    pretend.cameras[0]["reports"] = {"recorder": {"frames_written": 70, "frames_lost": 3, "segments": 4, "bytes": 5e6, "free": 9e9,
                                                  "disk": "full", "clips": 2, "clips_written": 6, "clips_refused": 1}}
    told = samples(scraped(pretend))
    assert told["surveillance_recorder_frames_lost_total", named(camera="front")] == 3
    assert told["surveillance_recorder_files", named(camera="front", kept="clips")] == 2
    assert told["surveillance_recorder_disk_free_bytes", named(camera="front", kept="segments")] == 9e9
    assert told["surveillance_recorder_disk_state", named(camera="front", kept="segments", state="full")] == 1
    assert told["surveillance_recorder_disk_state", named(camera="front", kept="segments", state="ok")] == 0
    assert not [labels for name, labels in told if name == "surveillance_recorder_disk_state" and ("kept", "clips") in labels]


def test_what_is_not_known_is_no_figure(pretend):
    odd = named(camera="front", worker='odd "name"\\', level="best-effort")
    told = samples(scraped(pretend))
    assert ("surveillance_worker_frames_offered_total", odd) in told
    assert ("surveillance_worker_frame_age_limit_seconds", odd) not in told  # any age will do
    assert not [labels for name, labels in told if name == "surveillance_worker_frame_age_seconds" and ("worker", 'odd "name"\\') in labels]


@needs_prometheus
def test_the_metrics_are_as_prometheus_wants_them(pretend):
    checked = subprocess.run(["promtool", "check", "metrics"], input=scraped(pretend), capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@needs_prometheus
@pytest.mark.parametrize("command", ["check rules alerts.yml", "test rules alerts_test.yml", "check config prometheus.yml"])
def test_the_alert_rules_hold(command):
    checked = subprocess.run(["promtool", *command.split()], cwd=ALERTS.parent, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS" in checked.stdout + checked.stderr


def test_every_alert_has_a_test_that_sees_it():
    alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text()))
    tests = (ALERTS.parent / "alerts_test.yml").read_text()
    seen = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", tests))
    silent = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", tests))
    assert alerts == seen == silent


def queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    variables = [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    return panels + variables


def test_dashboard_and_alerts_ask_for_metrics_that_there_are(pretend):
    there = {name for name, _ in samples(scraped(pretend))}
    asked = {name for query in queries() for name in NAME.findall(query)}
    asked |= {name for line in re.findall(r"expr: (?:>\s+)?(.+(?:\n\s{12}.+)?)", ALERTS.read_text()) for name in NAME.findall(line)}
    assert len(asked) > 20
    assert asked - there == set()


@contextlib.asynccontextmanager
async def prometheus(folder: Path, target: str):
    """A Prometheus with our rules that scrapes the target each second; what it serves."""
    rules = folder / "alerts.yml"
    rules.write_text(ALERTS.read_text())
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [alerts.yml]\nscrape_configs:\n"
        f"  - {{job_name: surveillance, static_configs: [{{targets: ['{target}']}}]}}\n")
    port = free_port()
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def ask(session, address, query):
    try:
        async with session.get(f"{address}/api/v1/query", params={"query": query}) as answer:
            told = await answer.json()
    except (aiohttp.ClientError, ValueError):
        return None  # not up yet
    assert told["status"] == "success", (query, told)
    return told["data"]["result"]


@needs_prometheus
def test_a_real_prometheus_scrapes_the_page_answers_the_dashboard_and_raises_the_alert(pretend, tmp_path):
    async def inside():
        async with served(pretend) as (_, address), aiohttp.ClientSession() as session, \
                prometheus(tmp_path, address.removeprefix("http://")) as told:
            async def value(query):
                result = await ask(session, told, query)
                return float(result[0]["value"][1]) if result else None

            async def comes(query, wanted):
                for _ in range(300):
                    if await value(query) == wanted:
                        return
                    await asyncio.sleep(0.1)
                raise AssertionError(f"{query}: {await value(query)}, not {wanted}")

            await comes('up{job="surveillance"}', 1)
            await comes('surveillance_worker_frames_dropped_total{worker="person"}', 9)
            pretend.cameras[0]["workers"][0]["dropped"] = 12
            await comes('surveillance_worker_frames_dropped_total{worker="person"}', 12)
            await comes('ALERTS{alertname="CameraGivenUp", camera="back", alertstate="firing"}', 1)
            for query in queries():
                query = query.replace("$__rate_interval", "1m").replace("$camera", ".*")
                if not query.startswith("label_values"):
                    assert await ask(session, told, query) is not None
            states = await ask(session, told, "count by (worker) (surveillance_worker_state == 1)")
            assert len(states) == 3
    asyncio.run(asyncio.wait_for(inside(), 120))


def test_the_guide_lists_the_metrics_that_there_are(pretend):
    guide = (DEPLOY.parent / "docs" / "service.md").read_text()
    there = set(re.findall(r"^# TYPE (surveillance_\w+) ", scraped(pretend), re.M))
    assert set(re.findall(r"`(surveillance_\w+[a-z])`", guide)) == there
