# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorder as the manager runs it: a worker's events become clips, and a stopped recorder is replaced like any worker."""

import faulthandler
import json
import os
import signal
import sys

import coco_check
import cv2
import pytest
from real_system import PATIENCE, System, eventually

WATCHER = """
from surveillance.album import Detection
from surveillance.trigger import Trigger
from surveillance.worker import run

class Watcher:
    trigger = Trigger("ball", every=0.5)
    def look(self, image):
        return [Detection((10, 20, 30, 40), "ball", 1.0)], None

run(Watcher())
"""
CONFIGURATION = """
[ring]
stall-timeout = 1.0
[recorder]
segment = "2 s"
keep-free = "1 MB"
objects = true
boxes = true
[clips]
before = "1 s"
after = "1 s"
longest = "3 s"
keep-free = "1 MB"
[[camera]]
name = "front"
input = "test"
[[camera.worker]]
name = "motion"
command = ["python3", "-m", "surveillance.workers.motion"]
policy = "drop-newest"
[[camera.worker]]
name = "watcher"
command = ["python3", "{watcher}"]
"""


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(240 * PATIENCE, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def system(tmp_path):
    (tmp_path / "watcher.py").write_text(WATCHER)
    system = System(tmp_path, CONFIGURATION.format(watcher=tmp_path / "watcher.py"))
    yield system
    if system.process.poll() is None:
        system.stop()


def frames(path):
    video, count = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG), 0
    while video.grab():
        count += 1
    return count


def test_what_a_worker_saw_is_kept_with_the_seconds_before_it_and_a_stopped_recorder_comes_back(system, tmp_path):
    kept = tmp_path / "state" / "front" / "recordings"
    sidecar = eventually(lambda: sorted((kept / "clips").glob("*-ball.json")), "a clip")[0]
    content = json.loads(sidecar.read_text())
    assert (content["camera"], content["worker"], content["label"]) == ("front", "watcher", "ball")
    assert content["trigger"][0]["boxes"] == [[10, 20, 30, 40]]
    assert frames(sidecar.with_name(content["clip"])) == content["frames"] > 1
    objects = json.loads(sidecar.with_name(content["coco"]).read_text())
    coco_check.check(objects)
    balls = [one for one in objects["annotations"] if one["worker"] == "watcher"]
    assert objects["videos"][0]["frames"] == content["frames"] and balls
    assert all(one["bbox"] == [10, 20, 30, 40] and one["track_id"] == 1 for one in balls)
    assert {one["name"] for one in objects["categories"]} <= {"ball", "motion"}

    def report():
        return (system.snapshot() or {"cameras": [{"reports": {}}]})["cameras"][0]["reports"].get("recorder", {})

    assert eventually(lambda: report().get("clips") and report(), "its report")["disk"] == "ok"
    assert 'surveillance_recorder_disk_state{camera="front",kept="clips",state="ok"} 1.0' in system.get("/metrics")
    events = [json.loads(line) for line in system.get("/events.jsonl").splitlines()]
    assert content["clip"] in next(event["text"] for event in events if event["kind"] == "clip")

    others = system.worker("motion")["pid"], system.worker("watcher")["pid"]
    os.kill(system.worker("recorder")["pid"], signal.SIGSTOP)
    eventually(lambda: system.worker("recorder")["restarts"] == 1 and system.worker("recorder")["state"] == "ok", "a new recorder")
    before = len(list((kept / "clips").glob("*-ball.json")))
    eventually(lambda: len(list((kept / "clips").glob("*-ball.json"))) > before, "a clip of the new recorder")
    assert (system.worker("motion")["pid"], system.worker("watcher")["pid"]) == others
    assert system.snapshot()["cameras"][0]["ring"]["dropped_no_slot"] == 0
    assert system.stop() == 0
    assert all(frames(path) > 0 for path in (kept / "segments").glob("*.mkv"))
