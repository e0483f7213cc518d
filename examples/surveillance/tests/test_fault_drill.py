# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manager under everything that happens to it in a year, in random order: for DRILL_SECONDS (30), from DRILL_SEED. Longer:
examples/surveillance/tests/drill MINUTES."""

import contextlib
import faulthandler
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_system import PATIENCE, Camera, System, eventually
from surveillance.state import MARK

SECONDS = float(os.environ.get("DRILL_SECONDS", "30"))
SEED = int(os.environ.get("DRILL_SEED", str(random.randrange(10**6))))
HEAD = """
[ring]
stall-timeout = 1.0
reconnect = 3.0
max-readers = 8
[recorder]
segment = "2 s"
keep-free = "1 MB"
restarts = 1000
[[camera]]
name = "front"
input = "{input}"
"""
WORKER = """
[[camera.worker]]
name = "{name}"
command = {command}
level = "high"
restarts = 1000
{more}
"""
LIGHT = ["python3", "-c", """
import os, shmring
with shmring.Reader(os.environ["SHMRING_PATH"], worker=os.environ["WORKER_NAME"], drop_policy=os.environ["WORKER_POLICY"]) as reader:
    for frame in reader:
        frame.array.max()
"""]
CRASHES = ["python3", "-c", "raise SystemExit(3)"]
VIEWER = ["sh", "-c", "exec gst-launch-1.0 -q shmringsrc socket-path=$SHMRING_PATH worker=$WORKER_NAME drop-policy=latest ! fakesink"]
LASTING = ("motion", "viewer", "light", "weak", "recorder")  # that should live in the end
STARTED = (*LASTING, "broken", "extra", "capture")


def workers(extra: bool) -> str:
    def worker(name, command, more=""):
        return WORKER.format(name=name, command=json.dumps(command), more=more)
    return (worker("motion", ["python3", "-m", "surveillance.workers.motion"]) + worker("viewer", VIEWER) + worker("light", LIGHT)
            + worker("weak", CRASHES, f"fallback = {json.dumps(LIGHT)}") + worker("broken", CRASHES)
            + (worker("extra", LIGHT) if extra else ""))


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later((SECONDS + 300) * PATIENCE, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def camera():
    camera = Camera()
    camera.on()
    yield camera
    camera.off()


@pytest.fixture
def disk(tmp_path):
    """The recorder's disk: small, where that is permitted. Yields None where it is not."""
    folder = tmp_path / "state" / "front" / "recordings"
    folder.mkdir(parents=True)
    small = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], capture_output=True).returncode == 0
    yield folder if small else None
    if small:
        subprocess.run(["umount", "--lazy", folder], check=True)


def processes(folder: Path) -> dict[str, list[int]]:
    """Of this manager's children, by the worker that they are; capture has no worker's name."""
    found: dict[str, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{MARK}={folder}".encode() in environment:
            name = next((entry[12:].decode() for entry in environment if entry.startswith(b"WORKER_NAME=")), "")
            if not name and b"surveillance.capture" not in command:
                continue  # the manager of before us in this environment, or a program between fork and exec
            found.setdefault(name or "capture", []).append(int(process.name))
    return found


class Drill:
    def __init__(self, system: System, camera: Camera, disk: Path | None, chance: random.Random):
        self.system, self.camera, self.disk, self.chance = system, camera, disk, chance
        self.extra = False
        self.done: list[str] = []

    def faults(self):
        return [self.kill, self.stop, self.outage, self.manager, self.file, *([self.full_disk] if self.disk else [])]

    def kill(self):
        self._signal(signal.SIGKILL)

    def stop(self):
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals):
        name = self.chance.choice(["capture", "motion", "viewer", "light", "weak", "recorder", "extra"])
        for pid in processes(self.system.state).get(name, []):
            os.kill(pid, number)
            self.done.append(f"{number.name} {name} {pid}")

    def outage(self):
        self.done.append("the camera goes")
        self.camera.off()
        self.rest(self.chance.uniform(0.5, 5))
        self.camera.on()
        self.done.append("the camera is back")

    def manager(self):
        self.done.append("SIGKILL manager")
        self.system.kill()
        self.system.start()

    def file(self):
        self.extra = not self.extra
        self.system.write(HEAD.format(input=self.camera.address) + workers(self.extra))
        if self.system.snapshot():  # else it only begins, and a SIGHUP would end it
            self.system.reload()
        self.done.append(f"extra {'in' if self.extra else 'out of'} the file")

    def full_disk(self):
        with contextlib.suppress(OSError):  # the recorder writes meanwhile
            (self.disk / "ballast").write_bytes(bytes(os.statvfs(self.disk).f_bavail * os.statvfs(self.disk).f_frsize))
        self.done.append("the disk is full")
        self.rest(2)
        (self.disk / "ballast").unlink()
        self.done.append("the disk has room")

    def rest(self, seconds: float):
        """No worker is ever there twice."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, pids in processes(self.system.state).items():
                assert len(pids) == 1, f"{name} is there {len(pids)} times: {pids}, after {self.done[-5:]}"
            time.sleep(0.2)


def events(system: System) -> list[dict]:
    return [json.loads(line) for line in (system.state / "events.jsonl").read_text().splitlines()]


def test_in_the_end_who_should_live_lives_every_account_balances_and_nothing_is_left(camera, disk, tmp_path):
    system = System(tmp_path, HEAD.format(input=camera.address) + workers(extra=False))
    drill = Drill(system, camera, disk, random.Random(SEED))
    try:
        eventually(lambda: (motion := system.worker("motion")) and motion["delivered"] > 5, "the first frames")
        end = time.monotonic() + SECONDS
        faults = []
        while time.monotonic() < end:
            faults = faults or drill.chance.sample(drill.faults(), len(drill.faults()))  # each in turn, in random order
            faults.pop()()
            drill.rest(drill.chance.uniform(0.5, 3))

        def works(name, known={}):  # more than it had delivered when it was looked at first
            told = system.worker(name)
            return told and told["phase"] == "running" and told["state"] in ("ok", "slow") \
                and told["delivered"] > known.setdefault(name, told["delivered"])
        for name in (*LASTING, *(["extra"] if drill.extra else [])):
            eventually(lambda name=name: works(name), f"{name} works again", 120)
        assert eventually(lambda: system.worker("broken"), "the page")["phase"] == "given up"
        for _ in range(5):
            for told in system.snapshot()["cameras"][0]["workers"]:
                assert told["offered"] == told["delivered"] + told["dropped"] + told["pending"], told
            drill.rest(0.5)
        assert set(processes(system.state)) == {*LASTING, "capture", *(["extra"] if drill.extra else [])}
    finally:
        print(f"seed {SEED}", *drill.done, sep="\n  ")
        code = system.stop() if system.process.poll() is None else system.process.returncode
        print(*(f"{event['kind']:10} {event['worker']:10} {event['text']}" for event in events(system)), sep="\n")
    assert code == 0
    assert processes(system.state) == {}
    assert not list(system.state.glob("*.sock"))
    kinds = {event["kind"] for event in events(system)}
    assert {"give-up", "fallback", "restart", "stop"} <= kinds
