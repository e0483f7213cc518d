# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole example for some seconds, on a generated picture: its own report is not believed, but computed again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest


def run(folder, *options):
    process = subprocess.run([sys.executable, "-m", "surveillance", "--output", folder, "--input", "test", *options],
                             capture_output=True, text=True, timeout=900)
    return process, json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    before = left_behind()
    process, report = run(folder, "--seconds", "8")
    return folder, process, report, left_behind() - before


def left_behind():
    return {str(path) for folder in ("/dev/shm", "/tmp") for path in Path(folder).glob("*")
            if folder == "/dev/shm" or path.name.startswith("surveillance-")}


def events(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_it_ends_well(demo):
    _, process, report, _ = demo
    assert process.returncode == 0, process.stdout + process.stderr
    assert report["passed"] and all(check["holds"] for check in report["checks"])
    assert process.stderr == ""


def test_every_account_balances(demo):
    report = demo[2]
    accounts = {**report["workers"], **report["branches"]}
    assert set(accounts) == {"motion", "person", "flow", "recorder-branch", "ring-branch", "recorder"}
    for name, account in accounts.items():
        assert account["offered"] == account["delivered"] + account["dropped"] + account["pending"], name
        assert account["delivered"] > 0, name


def test_each_fault_was_seen_as_what_it_is_and_the_worker_came_back(demo):
    folder, _, report, _ = demo
    assert [(fault["worker"], fault["signal"], fault["expected"]) for fault in report["faults"]] == [
        ("person", "SIGKILL", "dead"), ("motion", "SIGSTOP", "stuck")]
    told = [(event["worker"], event["text"]) for event in events(folder) if event["kind"] == "health"]
    for worker, state in (("person", "dead"), ("motion", "stuck")):
        assert any(name == worker and f"→ {state}:" in text for name, text in told)
        assert report["workers"][worker]["restarts"] >= 1
        assert report["workers"][worker]["generation"] == 1 + report["workers"][worker]["restarts"]


def test_no_other_worker_lost_a_frame(demo):
    report = demo[2]
    ring = report["capture"]["ring"]
    assert ring["dropped-no-slot"] == 0
    for fault in report["faults"]:
        others = {"motion", "person", "flow", "inbox", "recorder", "recorder-branch", "ring-branch"} - {fault["worker"]}
        assert set(fault["others"]) == others
        assert all(other["blamed"] == 0 for other in fault["others"].values())


def test_frames_are_written_into_the_ring_and_not_copied(demo):
    ring = demo[2]["capture"]["ring"]
    assert ring["published"] > 50
    assert ring["copied"] <= 2  # before the ring was there to be written into


def test_results_came_back_with_their_latencies(demo):
    for name, worker in demo[2]["workers"].items():
        results = worker["results"]
        assert results["offered"] == results["delivered"] + results["dropped"] and results["refused"] == 0, name
        assert name == "flow" or 0 < results["latency_ms"]["p50"] <= results["latency_ms"]["p99"], name  # flow may be given no processor


def test_the_recording_has_the_frames_that_the_recorder_took(demo):
    folder, _, report, _ = demo
    recording = cv2.VideoCapture(str(folder / "recording.mkv"))
    frames = 0
    while recording.grab():
        frames += 1
    assert frames == report["branches"]["recorder"]["delivered"]


def test_the_sheet_shows_what_moved(demo):
    folder, _, report, _ = demo
    assert report["workers"]["motion"]["detections"] > 0 and report["pictures"] > 0
    assert cv2.imread(str(folder / "contact-sheet.png")) is not None


def test_nothing_is_left_behind(demo):
    assert demo[3] == set()


def test_no_child_complains(demo):
    for log in (demo[0] / "camera/logs").iterdir():  # a child that prints nothing has none; test_supervisor.py has one that does
        assert "CRITICAL" not in log.read_text() and "Traceback" not in log.read_text(), log


def test_a_worker_that_cannot_live_fails_the_run_and_only_itself(tmp_path):
    (tmp_path / "own.toml").write_text("""
        [[worker]]
        name = "viewer"
        command = ["sh", "-c", "exec gst-launch-1.0 shmringsrc socket-path=$SHMRING_PATH worker=$WORKER_NAME ! fakesink"]
        [[worker]]
        name = "bad"
        command = ["python3", "-c", "raise SystemExit(3)"]
        level = "normal"
    """)
    process, report = run(tmp_path, "--seconds", "2", "--config", os.fspath(tmp_path / "own.toml"))
    assert process.returncode == 1
    assert report["workers"]["viewer"]["delivered"] > 10  # it need not be Python, nor tell anything
    failed = [check["what"] for check in report["checks"] if not check["holds"]]
    assert failed == ["bad: offered = delivered + dropped + pending", "bad: alive at the end"]
    assert [event["text"] for event in events(tmp_path) if event["kind"] == "give-up"] == [
        "ended with code 3; no restart left of 1 in 60 s; the others go on without it"]
