# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorder on a real disk of a few megabytes: filled by another program, read-only, and well again."""

import os
import subprocess
import time

import cv2
import gi
import pytest
import shmring
from recording_rig import Camera, Recorder, eventually, picture, play

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402
from surveillance.recording.film import Film  # noqa: E402
from surveillance.recording.reel import Frame  # noqa: E402

Gst.init(None)

SIZE = 4 * 2**20
SHORT = {"before": "300 ms", "after": "200 ms", "longest": "1 s"}


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no small disk can be made here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def camera(tmp_path):
    made = Camera(str(tmp_path / "ring"))
    yield made
    made.end()


@pytest.fixture
def recorder(tmp_path, disk, camera):
    started = []

    def start(*settings):
        started.append(Recorder(tmp_path / "ring", disk, *settings))
        return started[-1]

    yield start
    for one in started:
        one.close()


def remount(disk, how):
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def test_a_disk_that_others_fill_costs_no_frame_of_the_ring_and_recording_goes_on_when_there_is_room(
        tmp_path, disk, camera, recorder):
    made = recorder({"max-size": "1 MB"}, SHORT)
    made.recording()
    with shmring.Reader(str(tmp_path / "ring"), drop_policy="drop-newest", worker="other", depth=16) as reader:
        first = last = reader.read(10).sequence
        ballast = disk / "ballast"
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(4096))
        end = time.monotonic() + 60
        while not (said := [one for one in made.listen()[-1:] if one["disk"] == "full" and one["frames_lost"] > 20]):
            assert time.monotonic() < end, made.listen()[-1:]
            last = reader.read(10).sequence
        made.trigger(camera.number)
        made.until(lambda report: report["clips_refused"] + report["clips_failed"] >= 1)
        assert not [path for path in (disk / "clips").iterdir() if path.suffix != ".part"]
        assert said[0]["error"]
    assert last - first > 20
    assert made.until(lambda report: report["frames"] > said[0]["frames"] + 20)["disk"] == "full"  # it goes on reading
    ballast.unlink()
    made.until(lambda report: report["disk"] == "ok" and report["frames_written"] > said[0]["frames_written"] + 50)
    eventually(lambda: made.trigger(camera.number) and made.clips())
    assert made.end() == 0
    assert all(len(play(path)) > 0 for path in made.segments())  # also the one that the full disk cut off
    told = [text for message in made.listen("warning") if (text := message["text"]).startswith("segments")]
    assert told[0].startswith("segments: the disk is full: ") and told[-1] == "segments: the disk is ok again"


def test_a_small_disk_is_never_full_because_of_the_recorder(disk, camera, recorder):
    made = recorder({"segment": "300 ms", "max-size": "1 TB", "keep-free": "2 MB"}, SHORT)
    made.until(lambda report: report["deleted"] >= 5)
    assert {report["disk"] for report in made.listen()} == {"ok"}
    free = os.statvfs(disk)
    assert free.f_bavail * free.f_frsize > 1_000_000
    assert made.listen()[-1]["frames_lost"] == 0


def test_a_read_only_disk_is_reported_and_used_once_it_can_be_written(disk, camera, recorder):
    remount(disk, "ro")
    made = recorder({"max-size": "1 MB"}, SHORT)
    said = made.until(lambda report: report["disk"] == "read-only" and report["clips_disk"] == "read-only")
    assert said["error"] == "Read-only file system"
    assert made.until(lambda report: report["frames"] > said["frames"] + 20)["disk"] == "read-only"  # it goes on reading
    made.trigger(camera.number)
    made.until(lambda report: report["clips_refused"] == 1)
    remount(disk, "rw")
    made.until(lambda report: report["disk"] == "ok" and report["frames_written"] > 20)
    eventually(lambda: made.trigger(camera.number) and made.clips())


def test_a_write_that_finds_no_room_says_so_at_that_frame_and_what_was_written_plays(disk):
    encoded = cv2.imencode(".jpg", picture(7))[1].tobytes()
    caps = Gst.Caps.from_string("image/jpeg, width=256, height=128, framerate=10/1")

    def frame(number):
        return Frame(number, number, number / 10, 1e9, True, 0, len(encoded), Gst.Buffer.new_wrapped(encoded), caps)

    made, written = Film(disk / "a.mkv", frame(1)), 0
    with pytest.raises(OSError, match="No space left on device"):
        for number in range(1, 10_000):
            made.write(frame(number))
            written = number
    made.abandon()
    assert written > 100 and len(play(disk / "a.mkv")) >= written - 1
    other = Film(disk / "b.mkv", frame(1))
    with pytest.raises(OSError, match="No space left on device"):
        other.write(frame(1))
    other.abandon()
    assert not other.path.exists()
    assert made.frames == written
