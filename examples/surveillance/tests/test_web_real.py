# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page of the real manager: a camera that goes away and comes back, a worker that is given up, metrics of a running system."""

import faulthandler
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from real_system import PATIENCE, Camera, System, eventually
from test_web_metrics import NAME, queries

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "service.md"
CONFIGURATION = """
[ring]
stall-timeout = 1.0
[recorder]
segment = "10 s"
[[camera]]
name = "front"
input = "{input}"
[[camera.worker]]
name = "motion"
command = ["python3", "-m", "surveillance.workers.motion"]
level = "critical"
policy = "drop-newest"
[[camera.worker]]
name = "broken"
command = ["python3", "-c", "raise SystemExit(3)"]
level = "best-effort"
[[camera.worker]]
name = "elsewhere"              # started by others
"""


@pytest.fixture(autouse=True)
def watchdog():
    """Five processes start and an outage passes: that takes longer than most tests."""
    faulthandler.dump_traceback_later(240 * PATIENCE, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def camera():
    camera = Camera()
    camera.on()
    yield camera
    camera.off()


@pytest.fixture
def system(camera, tmp_path):
    system = System(tmp_path, CONFIGURATION.format(input=camera.address))
    yield system
    if system.process.poll() is None:
        system.stop()


def test_the_page_follows_a_real_system_through_its_troubles(system, camera, tmp_path):
    eventually(lambda: (motion := system.worker("motion")) and motion["state"] == "ok" and motion["delivered"] > 10, "motion works")
    eventually(lambda: any(one.startswith("broken: was given up") for one in system.troubles()), "the give-up is told")
    assert not any(one.startswith(("motion", ":")) for one in system.troubles())
    assert "process_cpu_seconds_total" in system.get("/metrics")
    scraped = system.get("/metrics")
    there = {sample.name for family in text_string_to_metric_families(scraped) for sample in family.samples}
    assert {name for query in queries() for name in NAME.findall(query)} - there == set()
    if shutil.which("promtool"):
        checked = subprocess.run(["promtool", "check", "metrics"], input=scraped, capture_output=True, text=True)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")

    camera.off()
    eventually(lambda: any("gives no frames" in one for one in system.troubles()), "the outage is told")
    pid = system.worker("motion")["pid"]
    camera.on()
    eventually(lambda: not any("gives no frames" in one for one in system.troubles()), "the camera is back")
    assert system.worker("motion")["pid"] == pid, "no worker was started again for it"

    # A reader that others start is watched like all, and never started or ended by the manager.
    socket = tmp_path / "state" / "front.sock"
    reader = subprocess.Popen(["gst-launch-1.0", "-q", "shmringsrc", f"socket-path={socket}", "worker=elsewhere", "!", "fakesink"])
    eventually(lambda: system.worker("elsewhere")["delivered"] > 5, "the foreign reader is seen")
    reader.kill()
    reader.wait()
    eventually(lambda: system.worker("elsewhere")["state"] == "dead", "its death is seen")
    assert system.worker("elsewhere")["restarts"] == 0
    assert system.stop() == 0

    told = [json.loads(line) for line in (tmp_path / "manager.jsonl").read_text().splitlines()]
    assert told and told == [json.loads(line) for line in (tmp_path / "state" / "events.jsonl").read_text().splitlines()]
    kinds = {word for row in re.findall(r"^\| (`[a-z-]+`.*?) \|", GUIDE.read_text(), re.M) for word in re.findall(r"`([a-z-]+)`", row)}
    for number, event in enumerate(told, told[0]["id"]):
        assert {name: type(value) for name, value in event.items()} == {
            "id": int, "at": float, "camera": str, "kind": str, "worker": str, "text": str}
        assert (event["id"], event["kind"] in kinds) == (number, True), event
