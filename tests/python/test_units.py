# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd units of docs/guides/operating.md, run as systemd would: signals, exit statuses and Restart= as in systemd.service(5)."""

import configparser
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import uuid

import pytest
from conftest import eventually

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/guides/operating.md"
CAMERA = "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=50/1"
WORKER = """
import sys, shmring
with shmring.Reader(sys.argv[1], drop_policy="latest", worker="worker") as reader:
    for frame in reader:
        print(reader.stats()["publisher_pid"], flush=True)
"""
CLEAN_SIGNALS = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}


def units():
    """name: the [Service] of each unit on the page."""
    found = {}
    for name, text in re.findall(r"```ini\n# ([\w.]+)\n(.*?)```", PAGE.read_text(), re.S):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.optionxform = str
        parser.read_string(text)
        found[name] = dict(parser["Service"])
    return found


class Unit:
    """One service. `look` does what systemd does when a process has ended."""

    def __init__(self, service, folder, **other_words):
        self.service = service
        self.folder = folder
        self.words = {"/run/camera": str(folder), "/var/lib/camera": str(folder), "/opt/camera": str(folder),
                      "/usr/bin/python3": sys.executable, **other_words}
        self.process = None
        self.wanted = False
        self.statuses = []

    def start(self):
        self.wanted = True
        env = dict(os.environ, INVOCATION_ID=uuid.uuid4().hex)
        line = self.service["ExecStart"]
        for word, other in self.words.items():
            line = line.replace(word, other)
        line = re.sub(r"\$\{(\w+)\}", lambda match: env[match[1]], line)
        with open(self.folder / f"{id(self)}.log", "ab") as log:
            self.process = subprocess.Popen(shlex.split(line), env=env, stdout=log, stderr=log)
        return self

    def stop(self):
        self.wanted = False
        if self.process.poll() is None:
            self.process.send_signal(signal.Signals[self.service.get("KillSignal", "SIGTERM")])
        return self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def look(self):
        if self.process.poll() is None or not self.wanted:
            return
        status = self.process.returncode
        self.statuses.append(status)
        clean = status == 0 or -status in CLEAN_SIGNALS
        again = {"no": False, "always": True, "on-failure": not clean, "on-success": clean}[self.service.get("Restart", "no")]
        if again:
            self.start()
        else:
            self.wanted = False

    def output(self):
        return (self.folder / f"{id(self)}.log").read_text()


def length_of(film):
    """In ns, as the file's header says; a file that was not finished has none."""
    gi = pytest.importorskip("gi")
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    pipeline = Gst.parse_launch(f"filesrc location={film} ! matroskademux ! fakesink")
    try:
        pipeline.set_state(Gst.State.PAUSED)
        pipeline.get_state(Gst.CLOCK_TIME_NONE)
        known, length = pipeline.query_duration(Gst.Format.TIME)
        return length if known else 0
    finally:
        pipeline.set_state(Gst.State.NULL)


@pytest.fixture
def system(tmp_path):
    """camera, worker and recorder of the page, started; `eventually` a frame of the camera's process is with the worker."""
    (tmp_path / "worker.py").write_text(WORKER)
    service = units()

    class System:
        camera = Unit(service["camera.service"], tmp_path, v4l2src=CAMERA)
        worker = Unit(service["worker.service"], tmp_path)
        recorder = Unit(service["recorder.service"], tmp_path)
        all = (camera, worker, recorder)

        def settle(self):
            """Waits until the camera that runs now has given the worker a frame."""
            def looked():
                for unit in self.all:
                    unit.look()
                return self.worker.output().endswith(f"{self.camera.process.pid}\n")
            eventually(looked)

    made = System()
    for unit in (made.recorder, made.worker, made.camera):
        unit.start()
    made.settle()
    yield made
    for unit in made.all:
        unit.process.kill()
        unit.process.wait()


def test_the_page_has_the_three_units():
    assert set(units()) == {"camera.service", "worker.service", "recorder.service"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="Debian's package systemd is not installed (group deploy of .ci/packages)")
def test_systemd_finds_nothing_wrong_with_them(tmp_path):
    for name, text in re.findall(r"```ini\n# ([\w.]+)\n(.*?)```", PAGE.read_text(), re.S):
        (tmp_path / name).write_text(text)
        told = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / name], capture_output=True, text=True)
        assert (told.returncode, told.stderr) == (0, ""), name


def test_workers_outlive_restarts_of_their_camera(system):
    readers = [system.worker.process.pid, system.recorder.process.pid]
    for _ in range(2):
        system.camera.restart()
        system.settle()
    assert [system.worker.process.pid, system.recorder.process.pid] == readers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_outlive_every_end_of_the_camera_s_process(system, number):
    system.camera.words["gst-launch-1.0"] = "gst-launch-1.0 -e"  # SIGINT becomes EOS
    system.camera.restart()
    system.settle()
    readers = [system.worker.process.pid, system.recorder.process.pid]
    system.camera.process.send_signal(number)
    eventually(lambda: system.camera.look() or system.camera.statuses)
    system.settle()
    assert [system.worker.process.pid, system.recorder.process.pid] == readers


def test_workers_outlive_a_camera_that_fails(system):
    readers = [system.worker.process.pid, system.recorder.process.pid]
    system.camera.words["videoconvert"] = "identity error-after=20"
    system.camera.restart()
    eventually(lambda: system.camera.look() or system.camera.statuses)
    assert system.camera.statuses[0] == 1, system.camera.output()
    del system.camera.words["videoconvert"]
    system.camera.restart()
    system.settle()
    assert [system.worker.process.pid, system.recorder.process.pid] == readers


def test_the_end_of_a_file_ends_the_workers_and_they_stay_down(system):
    system.camera.words["v4l2src"] = CAMERA.replace("is-live=true", "num-buffers=20")
    system.camera.words["videoconvert"] = "clocksync"
    system.camera.service["Restart"] = "no"
    system.camera.restart()
    for unit in (system.worker, system.recorder):
        eventually(lambda: unit.look() or not unit.wanted)
        assert unit.statuses == [0], unit.output()


def test_a_worker_that_is_killed_is_started_again_and_one_that_is_stopped_is_not(system):
    system.worker.process.kill()
    eventually(lambda: system.worker.look() or system.worker.statuses == [-signal.SIGKILL])
    system.camera.restart()
    system.settle()
    assert system.worker.stop() == -signal.SIGTERM
    system.worker.look()
    assert not system.worker.wanted


def test_a_recorder_that_is_stopped_has_finished_its_file(system):
    """Over a restart of its camera."""
    system.camera.restart()
    system.settle()
    assert system.recorder.stop() == 0, system.recorder.output()
    [film] = system.recorder.folder.glob("*.mkv")
    assert length_of(film) > 0
