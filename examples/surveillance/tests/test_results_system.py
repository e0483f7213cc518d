# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results of real workers in the real manager: a worker that is killed, one that sends junk, and zones that things walk through."""

import faulthandler
import json
import os
import signal
import sys
import urllib.error

import pytest
from prometheus_client.parser import text_string_to_metric_families
from real_system import PATIENCE, System, eventually

WALKER = """
from surveillance.album import Detection
from surveillance.worker import run

class Walker:  # something that walks to and fro, 10 pixels a frame
    model = "walker"
    step = 0
    def look(self, image):
        self.step += 1
        there = 10 * (self.step % 60)
        return [Detection((min(there, 600 - there), 100, 80, 150), "person", 0.9)], None

run(Walker())
"""
JUNK = """
KIND, PAUSE = {}, {}
import itertools, os, time
import shmring
from surveillance.result_sender import results_path
ring = shmring.Publisher(results_path(os.environ["SHMRING_PATH"], os.environ["WORKER_NAME"]), slot_size=1 << 20, max_readers=4,
                         caps="application/x-frame-results, format=(string)json" if KIND else "video/x-raw")
JUNK = [b"", b"junk", b"[]", b"{}", b"\\xff" * 1000, b"[" * 60000, b'{"objects": 3}', b'{"objects": [{"box": [1, 2]}]}', b"9" * (1 << 20),
        b'{"objects": [], "sequence": -1}', b'{"objects": [], "width": 1e999}', b'{"a": ' * 5000]
for number in itertools.count():
    ring.publish(JUNK[number % len(JUNK)], pts=number)
    time.sleep(PAUSE)
"""
CONFIGURATION = """
[ring]
stall-timeout = 2.0
[[camera]]
name = "front"
input = "test"
[[camera.zone]]
name = "door"
points = [[0.0, 0.0], [0.2, 0.0], [0.2, 1.0], [0.0, 1.0]]
labels = ["person"]
"""
WORKER = """
[[camera.worker]]
name = "{name}"
command = ["python3", "{path}"]
level = "critical"
policy = "drop-newest"
"""


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(240 * PATIENCE, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def made(tmp_path):
    systems = []

    def make(**programs):
        text = CONFIGURATION
        for name, program in programs.items():
            path = tmp_path / f"{name}.py"
            path.write_text(program)
            text += WORKER.format(name=name, path=path)
        systems.append(System(tmp_path, text))
        return systems[-1]
    yield make
    for system in systems:
        if system.process.poll() is None:
            system.stop()


def ring(system, name):
    """Account and state of the worker's ring of results."""
    told = system.snapshot()
    return next((branch for branch in told["cameras"][0]["branches"] if branch["name"] == f"{name}/results"), None) if told else None


def metrics(system):
    return {(sample.name, sample.labels.get("worker") or sample.labels.get("zone"), sample.labels.get("quantile")): sample.value
            for family in text_string_to_metric_families(system.get("/metrics")) for sample in family.samples}


def events(system, kind):
    return [event for event in map(json.loads, system.get("/events.jsonl").splitlines()) if event["kind"] == kind]


def result(system, name, sequence=""):
    try:
        return json.loads(system.get(f"/results/front/{name}.json?sequence={sequence}"))
    except urllib.error.HTTPError:
        return None


def test_results_of_a_killed_worker_come_back_and_so_do_its_zones(made):
    system = made(walker=WALKER)
    eventually(lambda: (walker := system.worker("walker")) and walker.get("results", 0) > 20, "results")
    found = result(system, "walker")
    assert [found[key] for key in ("width", "height", "left_out")] == [768, 576, 0]
    assert found["objects"][0]["label"] == "person" and found["objects"][0]["track"] == 1
    assert result(system, "walker", found["sequence"]) == found and result(system, "walker", 10**15)["sequence"] >= found["sequence"]
    assert ring(system, "walker")["state"] == "ok"
    eventually(lambda: [event["text"] for event in events(system, "zone")][:2] and len(events(system, "zone")) >= 2, "the zone's events")
    first, second = [event["text"] for event in events(system, "zone")][:2]
    assert first == "person 1 entered door" and second.startswith("person 1 left door after ")

    pid = system.worker("walker")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: ring(system, "walker")["state"] == "dead" or system.worker("walker")["pid"] not in (None, pid), "its end")
    before = ring(system, "walker")["delivered"]
    eventually(lambda: (now := ring(system, "walker"))["state"] == "ok" and now["delivered"] > before + 20, "results of the next one")
    assert system.worker("walker")["restarts"] == 1
    told = metrics(system)
    assert told["surveillance_worker_results_total", "walker", None] > 40 and told["surveillance_worker_results_refused_total", "walker", None] == 0
    p50, p99 = (told["surveillance_worker_result_latency_seconds", "walker", share] for share in ("0.5", "0.99"))
    assert 0 < p50 <= p99
    assert told["surveillance_zone_inside", "door", None] in (0, 1)
    told = {event["text"].split(" door")[0] for event in events(system, "zone")}
    assert told <= {"person 1 entered", "person 1 left"}
    assert system.stop() == 0


def test_a_worker_that_the_file_has_no_more_leaves_nothing_beside_the_socket(made):
    """Neither one that ends in order nor one that must be killed, which cannot remove its own socket."""
    system = made(polite=WALKER, stubborn="import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n" + WALKER, stays=WALKER)
    for name in ("polite", "stubborn", "stays"):
        eventually(lambda: (told := system.worker(name)) and told.get("results"), f"results of {name}")
    system.write(CONFIGURATION + WORKER.format(name="stays", path=system.state.parent / "stays.py"))
    system.reload()
    eventually(lambda: [path.name for path in system.state.glob("results@*")] == ["results@stays"], "only the folder of the one that stays")
    before = system.worker("stays")["results"]
    eventually(lambda: system.worker("stays")["results"] > before, "more of its results")
    assert system.stop() == 0 and not list(system.state.glob("*.sock")) + list(system.state.glob("results@*"))


@pytest.mark.parametrize("kind, pause", [(True, 0.01), (True, 0), (False, 0)], ids=["some junk", "a flood of junk", "no results"])
def test_a_worker_that_sends_junk_is_counted_and_takes_no_other_with_it(made, kind, pause):
    system = made(walker=WALKER, junk=JUNK.replace("{}, {}", f"{kind}, {pause}", 1))
    eventually(lambda: (junk := system.worker("junk")) and junk.get("results_refused", 0) > 50, "the junk is counted")
    assert system.worker("junk")["results"] == 0 and result(system, "junk") is None
    before = eventually(lambda: (walker := system.worker("walker")) and walker.get("results"), "the other's results")
    eventually(lambda: system.worker("walker")["results"] > before + 20, "more of them")
    assert any(event["worker"] == "junk" and "no result" in event["text"] for event in events(system, "warning"))
    assert metrics(system)["surveillance_worker_results_refused_total", "junk", None] > 50
    assert system.get("/healthz") == "ok\n" and system.stop() == 0
