# SPDX-License-Identifier: LGPL-2.1-or-later
"""The capture process alone: its inputs, and a file that never ends."""

import os
import signal
import subprocess
import sys
import time

import cv2
import gi
import pytest
import shmring
from surveillance import channel

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402
from surveillance import capture  # noqa: E402

FRAMES = 12


@pytest.mark.parametrize("address, line", [
    ("/dev/video2", 'v4l2src device="/dev/video2" ! decodebin'),
    ("rtsp://camera/1", 'uridecodebin uri="rtsp://camera/1"'),
    ("https://x/a.mp4", 'uridecodebin uri="https://x/a.mp4" ! clocksync'),
    ('/my "clips"/a\\b.avi', r'filesrc location="/my \"clips\"/a\\b.avi" ! decodebin name=file ! clocksync'),
])
def test_each_kind_of_input_has_its_launch_line(address, line):
    assert capture.source(address) == line


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert "is no regular file" in capture.refusal(str(tmp_path / "fifo")) and "is no regular file" in capture.refusal(str(tmp_path))
    assert "cannot be read" in capture.refusal(str(tmp_path / "nothing"))
    assert not any(map(capture.refusal, ("test", "/dev/video9", "rtsp://x", __file__)))


def test_structures_of_the_elements_become_what_json_knows():
    Gst.init(None)
    inner = Gst.Structure.from_string("lane, worker=(string)w, age=(guint64)18446744073709551615")[0]
    outer = Gst.Structure.new_empty("stats")
    outer.set_value("accounts", Gst.ValueArray([inner, inner]))
    lane = {"worker": "w", "age": 2**64 - 1}
    assert capture.plain(outer) == {"accounts": [lane, lane]}


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / 'a "clip".avi'
    subprocess.run(["gst-launch-1.0", "-q", "videotestsrc", f"num-buffers={FRAMES}", "!",
                    "video/x-raw,width=64,height=48,framerate=10/1", "!", "jpegenc", "!", "avimux", "!", "filesink",
                    f"location={capture.quoted(path)}"], check=True, timeout=60)
    return path


def test_a_file_is_a_camera_that_never_ends_and_the_recording_is_whole(tmp_path, clip):
    ours, theirs = channel.pair()
    command = [sys.executable, "-m", "surveillance.capture", "--input", clip, "--socket", tmp_path / "s",
               "--record", tmp_path / "r.mkv", "--readers", "1"]
    with theirs:
        process = subprocess.Popen(list(map(str, command)), pass_fds=[theirs.fileno()],
                                   env={**os.environ, "REPORT_FD": str(theirs.fileno())})
    messages = []
    end = time.monotonic() + 60
    try:
        while not any(message.get("supply", {}).get("published", 0) > 3 * FRAMES for message in messages):
            messages += channel.receive(ours)[0]
            assert time.monotonic() < end and process.poll() is None, messages[-3:]
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    messages += channel.receive(ours)[0]
    last = [message for message in messages if message["kind"] == "stats"][-1]
    assert last["last"]
    times = recorded(tmp_path / "r.mkv")
    assert len(times) == last["recorder"]["delivered"] > 3 * FRAMES - 5
    # No jump and no step back where the clip begins again; a frame may be missing where the machine was too busy.
    steps = [round(after - before) for before, after in zip(times, times[1:])]
    assert all(step > 0 and step % 100 == 0 for step in steps), repr(steps)


def test_a_stop_in_the_middle_of_a_file_is_told_as_no_fault(tmp_path, clip):
    """A reader that stays keeps the pipeline for a while after the end: the file's next round must not begin in it."""
    ours, theirs = channel.pair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-m", "surveillance.capture", "--input", str(clip), "--socket", str(tmp_path / "s"),
                                    "--readers", "1"], pass_fds=[theirs.fileno()], env={**os.environ, "REPORT_FD": str(theirs.fileno())})
    messages = []
    try:
        with shmring.Reader(tmp_path / "s", worker="stays") as reader:
            for _ in zip(range(3), reader):
                pass
            process.send_signal(signal.SIGTERM)
            while process.poll() is None:
                messages += channel.receive(ours)[0]
                time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    messages += channel.receive(ours)[0]
    assert process.returncode == 0
    assert [message for message in messages if message["kind"] in ("warning", "error")] == []


def recorded(path):
    """The times of the recording's frames, ms."""
    video, times = cv2.VideoCapture(str(path)), []
    while video.grab():
        times.append(video.get(cv2.CAP_PROP_POS_MSEC))
    return times
