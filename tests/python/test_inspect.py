# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking at a live ring from outside: shmring.inspect and the command `shmring stat`."""

import json
import signal
import subprocess
import sys

import pytest
import shmring
from conftest import attach, eventually, pattern


@pytest.fixture
def ring(path):
    with shmring.Publisher(path, format="GRAY8", width=64, height=48, max_readers=3, depth=3, max_held=2) as publisher:
        with shmring.Reader(path, "latest", "person-detector") as reader:
            attach(reader)
            yield publisher, reader


def command(*words, **more):
    return subprocess.run(["shmring", *map(str, words)], capture_output=True, text=True, check=False, **more)


def busy(ring):
    """Ten frames: one held, one waiting, eight dropped."""
    publisher, reader = ring
    publisher.publish(pattern(48, 64))
    frame = reader.read()
    for _ in range(9):
        publisher.publish(pattern(48, 64))
    return frame


def test_the_figures_from_outside_are_those_of_the_publisher(ring, path):
    publisher, _ = ring
    frame = busy(ring)
    assert shmring.inspect(path) == publisher.stats()
    lane = shmring.inspect(path)["accounts"][0]
    assert {key: lane[key] for key in ("worker", "state", "drop_policy", "offered", "delivered", "dropped", "pending", "held")} == {
        "worker": "person-detector", "state": "active", "drop_policy": "latest",
        "offered": 10, "delivered": 1, "dropped": 8, "pending": 1, "held": 1}
    frame.release()


def test_the_module_as_a_program_shows_what_the_command_shows(ring, path):
    def module(*words):
        return subprocess.run([sys.executable, "-m", "shmring", *map(str, words)], capture_output=True, text=True, check=False)

    for words in (["--version"], ["--help"], ["stat", "--help"], ["stat"], ["stat", f"{path}.none"]):
        said, same = module(*words), command(*words)
        assert (said.returncode, said.stdout, said.stderr) == (same.returncode, same.stdout, same.stderr)
    publisher, _ = ring
    frame = busy(ring)
    shown = json.loads(module("stat", path, "--json").stdout)
    same = json.loads(command("stat", path, "--json").stdout)
    now = shown.pop("now"), same.pop("now")
    assert now[0] <= now[1] and shown == same
    frame.release()


def test_the_module_as_a_program_ends_when_interrupted(ring, path):
    with subprocess.Popen([sys.executable, "-m", "shmring", "stat", path, "--json", "--watch", "0.05"], stdout=subprocess.PIPE) as shown:
        assert shown.stdout.readline()
        shown.send_signal(signal.SIGINT)
        assert shown.wait() == -signal.SIGINT


def test_looking_takes_no_lane(ring, path):
    for _ in range(10):
        shmring.inspect(path)
        command("stat", path)
    stats = shmring.inspect(path)
    assert stats["readers"] == 1
    assert [lane["worker"] for lane in stats["accounts"]] == ["person-detector"]
    assert stats["free_slots"] == stats["slots"]


def test_the_command_shows_the_ring_and_each_worker_in_a_row(ring, path):
    frame = busy(ring)
    shown = command("stat", path)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"{path}: publisher ")
    assert any(line.startswith("caps") and "GRAY8" in line for line in lines)
    assert any("10 offered, 10 published, 0 without a slot" in line for line in lines)
    assert any("1 of 3" in line for line in lines if line.startswith("readers"))
    head, row = (next(line for line in lines if line.startswith(word)) for word in ("WORKER", "person-detector"))
    for title, value in {"STATE": "active", "POLICY": "latest", "PENDING": "1/1", "HELD": "1/2", "OFFERED": "10",
                         "DELIVERED": "1", "DROPPED": "8 (80.0%)"}.items():
        assert row[head.index(title):].startswith(value), (title, head, row)
    frame.release()


def test_the_command_s_json_has_the_fields_of_inspect(ring, path):
    frame = busy(ring)
    seen = json.loads(command("stat", "--json", path).stdout)
    assert seen.pop("path") == path
    assert seen.pop("now") >= seen["last_published_at"]
    assert seen == shmring.inspect(path)
    frame.release()


def test_watching_shows_it_again_until_the_publisher_is_gone(path, publisher_process, spawn):
    publisher = publisher_process()
    child = spawn("shmring", "stat", path, "--json", "--watch", "0.05", stderr=subprocess.PIPE)
    for _ in range(3):
        assert json.loads(child.line())["publisher_pid"] == publisher.pid
    publisher.kill()
    assert child.process.wait() == 1
    assert "gone" in child.process.stderr.read()


def test_a_stopped_publisher_is_said_to_be_stopped(path, publisher_process):
    publisher = publisher_process()
    publisher.signal(signal.SIGSTOP)
    eventually(lambda: open(f"/proc/{publisher.pid}/stat", encoding="utf-8").read().split()[2] == "T")
    with pytest.raises(shmring.Timeout, match="stopped"):
        shmring.inspect(path, timeout=0.2)
    shown = command("stat", path)
    assert shown.returncode == 1 and "stopped" in shown.stderr


def test_a_path_without_a_publisher_is_an_error_that_names_it(path):
    with pytest.raises(shmring.Disconnected, match=path):
        shmring.inspect(path)
    shown = command("stat", path)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith("shmring: ") and path in shown.stderr


@pytest.mark.parametrize("words", [[], ["stat"], ["look"], ["stat", "x", "--watch", "0"], ["stat", "x", "--colour"]])
def test_wrong_usage_is_exit_status_2_and_says_what_is_wrong(words):
    shown = command(*words)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr


def test_help_explains_itself():
    assert "stat" in command("--help").stdout
    shown = command("stat", "--help")
    assert shown.returncode == 0
    for word in ("--json", "--watch", "offered = delivered + dropped + pending", "Exit status"):
        assert word in shown.stdout
    assert command("--version").stdout.strip() == shmring.__version__


def test_a_worker_that_went_is_shown_as_gone_with_its_account(ring, path):
    busy(ring).release()
    ring[1].close()
    eventually(lambda: shmring.inspect(path)["accounts"][0]["state"] == "gone")
    row = next(line for line in command("stat", path).stdout.splitlines() if line.startswith("person-detector"))
    assert row.split()[1:3] == ["gone", "-"]
    lane = shmring.inspect(path)["accounts"][0]
    assert lane["offered"] == lane["delivered"] + lane["dropped"] and lane["pending"] == 0
