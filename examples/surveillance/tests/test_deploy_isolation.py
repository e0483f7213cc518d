# SPDX-License-Identifier: LGPL-2.1-or-later
"""Capture and worker as two containers that share one folder and nothing else: user, process, memory (IPC), network and mount
namespaces of their own, a /dev/shm of their own. What runs in them is what the Kubernetes manifest runs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from surveillance.result_sender import results_path

PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))
FOLDER = "/run/camera"
SOCKET = f"{FOLDER}/front.sock"
KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "GST_PLUGIN_PATH", "GST_REGISTRY", "HOME")
PYTHON = sys.executable
CAPTURE = (PYTHON, "-m", "surveillance.capture", "--input", "test", "--socket", SOCKET, "--readers", "2", "--stall-timeout", "1")


def isolates() -> bool:
    return shutil.which("bwrap") is not None and subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not isolates(), reason="bubblewrap is not installed, or may make no namespaces here")


class Container:
    """A worker can write into its part of the folder and nowhere else."""

    def __init__(self, shared: Path, *command: str, **environment: str):
        self._info, theirs = os.pipe()
        variables = {name: os.environ[name] for name in KEPT if name in os.environ} | environment
        folder = ["--bind", str(shared), FOLDER]
        if worker := environment.get("WORKER_NAME"):
            own = results_path(shared / "front.sock", worker).parent
            own.mkdir(exist_ok=True)  # the manager would make it
            folder = ["--ro-bind", str(shared), FOLDER, "--bind", str(own), f"{FOLDER}/{own.name}"]
        words = [word for name, value in variables.items() for word in ("--setenv", name, value)]
        self.process = subprocess.Popen(
            ["bwrap", "--unshare-all", "--die-with-parent", "--as-pid-1", "--clearenv", *words, "--ro-bind", "/", "/",
             "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var/tmp", *_readable(), "--proc", "/proc", "--dev", "/dev",
             *folder, "--info-fd", str(theirs), "--", *command], pass_fds=[theirs])
        os.close(theirs)
        with open(self._info) as info:
            self.pid = json.load(info)["child-pid"]  # as seen from outside; inside it is 1

    def namespaces(self) -> dict[str, str]:
        return {name: os.readlink(f"/proc/{self.pid}/ns/{name}") for name in ("user", "pid", "ipc", "net", "mnt", "uts")}

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()


def _readable() -> list[str]:
    """The build lies below /tmp on some machines: seen there too, for reading."""
    roots = {Path(part) for name in KEPT for part in os.environ.get(name, "").split(os.pathsep) if part.startswith(("/tmp/", "/run/"))}
    return [word for root in sorted(roots) if root.exists() for word in ("--ro-bind", str(root), str(root))]


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    return folder


@pytest.fixture
def container(shared):
    started = []

    def start(*command, **environment):
        started.append(Container(shared, *command, **environment))
        return started[-1]

    yield start
    for one in started:
        one.end()


def worker(container, name="motion"):
    return container(PYTHON, "-m", "surveillance.workers.motion", SHMRING_PATH=SOCKET, WORKER_NAME=name, WORKER_POLICY="latest")


def eventually(condition, what, seconds=40):
    end = time.monotonic() + seconds * PATIENCE
    while not (result := condition()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)
    return result


def lane(shared, name="motion"):
    """The publisher's account of that reader, asked from outside of both."""
    import shmring
    try:
        told = shmring.inspect(str(shared / "front.sock"))
    except shmring.Error:
        return None
    return next((one for one in told["accounts"] if one["worker"] == name), None)


def takes_frames(shared, name="motion"):
    before = eventually(lambda: lane(shared, name), f"{name} attached")["delivered"]
    eventually(lambda: (told := lane(shared, name)) and told["delivered"] >= before + 5, f"{name} takes frames")


def test_frames_cross_between_containers_that_share_a_folder_only(shared, container):
    capture, motion = container(*CAPTURE), worker(container)
    takes_frames(shared)
    outside = {name: os.readlink(f"/proc/self/ns/{name}") for name in capture.namespaces()}
    for name, own in capture.namespaces().items():
        assert len({own, motion.namespaces()[name], outside[name]}) == 3, f"the {name} namespace is shared"
    assert {str(path.relative_to(shared)) for path in shared.rglob("*.sock")} == {"front.sock", "results@motion/front.sock"}


def test_a_worker_killed_in_its_container_is_seen_and_its_successor_goes_on_counting(shared, container):
    container(*CAPTURE)
    first = worker(container)
    takes_frames(shared)
    first.signal(signal.SIGKILL)
    dead = eventually(lambda: (told := lane(shared)) and told["state"] == "gone" and told, "the death is seen")
    assert dead["held"] == 0, "its frames came back"
    worker(container)
    takes_frames(shared)
    told = lane(shared)
    assert told["generation"] == dead["generation"] + 1
    assert told["delivered"] > dead["delivered"]
    assert told["offered"] == told["delivered"] + told["dropped"] + told["pending"]


def test_a_worker_stopped_in_its_container_holds_no_other_up(shared, container):
    container(*CAPTURE)
    stopped = worker(container, "stopped")
    takes_frames(shared, "stopped")
    stopped.signal(signal.SIGSTOP)
    worker(container, "other")
    takes_frames(shared, "other")
    before = lane(shared, "stopped")
    eventually(lambda: lane(shared, "stopped")["dropped"] > before["dropped"] + 5, "it misses frames")
    takes_frames(shared, "other")
    stopped.signal(signal.SIGCONT)
    takes_frames(shared, "stopped")


def test_a_new_capture_container_is_found_by_the_worker_of_the_old_one(shared, container):
    first = container(*CAPTURE)
    motion = worker(container)
    takes_frames(shared)
    first.signal(signal.SIGKILL)
    first.process.wait()
    container(*CAPTURE)
    takes_frames(shared)
    assert motion.process.poll() is None, "the worker did not have to start again"


def test_the_same_name_twice_is_refused_while_its_container_lives(shared, container):
    container(*CAPTURE)
    worker(container)
    takes_frames(shared)
    second = container(PYTHON, "-c", "import sys, shmring\ntry:\n shmring.Reader(sys.argv[1], worker='motion').read(20)\n"
                       "except shmring.Error as error:\n sys.exit(7 if 'motion' in str(error) else str(error))", SOCKET)
    assert second.process.wait() == 7
    takes_frames(shared)
