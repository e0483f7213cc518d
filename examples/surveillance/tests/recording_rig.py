# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shared by the recorder's tests: a camera whose frames show their number, a recorder's process, and a player."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import shmring
from surveillance import channel

PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))
BITS, CELL = 16, 16
EVERY_FRAME_A_KEY = "videoconvert ! jpegenc quality=80"


def picture(number):
    """The number in binary, in cells that no encoder blurs; their height is noise, so that a frame has some size."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    image = np.random.default_rng(number).integers(0, 256, (128, BITS * CELL), np.uint8)
    image[:64] = np.repeat(np.array(bits, np.uint8) * 255, CELL)
    return image


def number_of(image):
    cells = image[:64, :, 0].reshape(64, BITS, CELL)[16:48, :, 4:12].mean(axis=(0, 2))
    return sum(int(mean > 128) << bit for bit, mean in enumerate(cells))


def play(path):
    """[(number that the frame shows, its time in seconds)]"""
    video, frames = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG), []
    while True:
        got, image = video.read()
        if not got:
            return frames
        frames.append((number_of(image), video.get(cv2.CAP_PROP_POS_MSEC) / 1000))


def eventually(condition, seconds=30):
    end = time.monotonic() + seconds * PATIENCE
    while not (result := condition()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
    return result


class Camera:
    """Publishes numbered frames; the number is the frame's in the ring."""

    def __init__(self, path, rate=50, readers=3, jpeg=False, picture=picture):
        kind = "image/jpeg" if jpeg else "video/x-raw,format=GRAY8"
        caps = f"{kind},width={BITS * CELL},height=128,framerate={rate}/1"
        self._publisher = shmring.Publisher(path, caps=caps, slot_size=BITS * CELL * 128, max_readers=readers, depth=16,
                                            max_held=6)
        self._picture = picture
        self._encode = (lambda image: cv2.imencode(".jpg", image)[1]) if jpeg else lambda image: image
        self._period = 1 / rate
        self._stop = threading.Event()
        self._silent = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.number = 0
        self.timed = True  # frames have a time
        self.waits_for = ""  # a worker that it lets catch up, however busy the machine is
        self.longest = 0.0  # seconds that one publish took
        self._thread.start()

    def _run(self):
        due = time.monotonic()
        while not self._stop.is_set():
            if not self._silent.is_set() and self._has_room():
                image = self._encode(self._picture(self.number + 1))
                begin = time.monotonic()
                self._publisher.publish(image, pts=time.monotonic_ns() if self.timed else None)
                self.longest = max(self.longest, time.monotonic() - begin)
                self.number += 1
            due = max(due + self._period, time.monotonic())  # no burst after a pause
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _has_room(self):
        return not self.waits_for or self.lane(self.waits_for)["pending"] < 8

    def lane(self, name="recorder"):
        return next(lane for lane in self._publisher.stats()["accounts"] if lane["worker"] == name)

    def end(self, stream=False):
        """The camera is gone; with `stream`, its stream came to its end before."""
        self._stop.set()
        self._thread.join()
        if stream:
            self._publisher.end()
            eventually(lambda: not self._publisher.stats()["readers"])
        self._publisher.close()


class Recorder:
    def __init__(self, socket, folder, recorder=None, clips=None, workers=None):
        self.folder = Path(folder)
        self.messages = []
        self._ours, theirs = channel.pair()
        settings = {"recorder": {"encode": EVERY_FRAME_A_KEY, "segment": "500 ms", "keep-free": "1 MB", **(recorder or {})}}
        if clips is not None:
            settings["clips"] = {"before": "1 s", "after": "0.5 s", "longest": "5 s", "late": "300 ms", "keep-free": "1 MB", **clips}
        if workers is not None:
            settings["workers"] = workers
        environment = {"SHMRING_PATH": os.fspath(socket), "CAMERA_NAME": "front", "RECORDINGS": os.fspath(folder),
                       "RECORDER": json.dumps(settings), "REPORT_FD": str(theirs.fileno())}
        with theirs:
            self.process = subprocess.Popen([sys.executable, "-m", "surveillance.recording"],
                                            pass_fds=[theirs.fileno()], env={**os.environ, **environment})

    def listen(self, kind="report"):
        self.messages += channel.receive(self._ours)[0]
        return [message for message in self.messages if message["kind"] == kind]

    def until(self, condition, seconds=30):
        """Waits for a report of which the condition holds."""
        def holds():
            said = self.listen()[-1:]
            return next(filter(condition, said), None) or self.process.poll() is not None
        said = eventually(holds, seconds)
        assert said is not True, f"the recorder ended with {self.process.returncode}: {self.messages[-3:]}"
        return said

    def recording(self):
        return self.until(lambda report: report["frames"] > 20)

    def trigger(self, seq=0, **fields):
        """Tells whether the recorder was told; not if it does not listen."""
        try:
            self._ours.send(channel.packet("event", {"worker": "person", "label": "person", "seq": seq, **fields}))
        except BlockingIOError:
            return False
        return True

    def clips(self):
        """[(sidecar, path of the clip)] of all that are whole."""
        found = sorted(path for path in (self.folder / "clips").glob("*.json") if not path.name.endswith(".coco.json"))
        return [(content := json.loads(path.read_text()), path.with_name(content["clip"])) for path in found]

    def clip(self, count=1):
        return eventually(lambda: len(self.clips()) >= count and self.clips())[count - 1]

    def segments(self):
        return sorted((self.folder / "segments").glob("*.mkv"))

    def send_signal(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Its exit code. All it said is in `messages`."""
        self.send_signal(number)
        code = self.process.wait(30 * PATIENCE)
        self.listen()
        return code

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self._ours.close()
