# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loop every Python worker runs: take a frame from the ring, look at it, send the result, tell the supervisor, keep a picture.

A worker is a class with `look(image) -> (detections, picture or None)`; `run(Worker())` is its whole program. What it finds gets tracks
and comes back as results, on a ring beside the camera's. An attribute `model` names its model in them. With an
attribute `trigger`, a trigger.Trigger, what it finds also becomes events, which the recorder keeps clips of.
Its environment: SHMRING_PATH, WORKER_NAME, WORKER_POLICY, WORKER_DEPTH, REPORT_FD, ALBUM (folder), ALBUM_EVERY (s).
"""

import math
import os
import signal
import sys
import time
from typing import Any

import cv2

from .album import Album
from .channel import Sender
from .gaps import Gaps
from .result_sender import ResultSender
from .tracker import Tracker
from .untrusted import is_number


def run(detector) -> None:
    import shmring  # here, so that detectors can be tried without a ring

    cv2.setNumThreads(getattr(detector, "threads", 1))  # a worker is one of many on this machine
    stop = False

    def ask_to_stop(*_):
        nonlocal stop
        stop = True

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's business
    sender = Sender()
    name = os.environ.get("WORKER_NAME", type(detector).__name__.lower())
    album = Album(name, os.environ.get("ALBUM"), _given("ALBUM_EVERY", 2.0, 0.01, 1e6))
    gaps = Gaps()
    trigger = getattr(detector, "trigger", None)
    taken = 0
    options: dict[str, Any] = {"policy": os.environ.get("WORKER_POLICY", "latest"), "worker": name}
    if depth := int(_given("WORKER_DEPTH", 0, 0, 256)):
        options["depth"] = depth
    if "SHMRING_PATH" not in os.environ:
        raise SystemExit("SHMRING_PATH is not set: the path of the ring's socket is needed")
    ring = os.environ["SHMRING_PATH"]
    results = ResultSender(ring, name, getattr(detector, "model", name), lambda text: _warn(sender, text))
    tracker = Tracker()
    with shmring.Reader(ring, **options) as reader:
        while not stop and not sender.closed:
            try:
                frame = reader.read(timeout=0.5)
            except shmring.End:
                break
            if frame is None:
                continue
            taken += 1
            with frame:
                begin = time.monotonic()
                age, seq = max(0.0, frame.age), frame.sequence
                missed, alone = gaps.took(seq, begin - age)
                detections, picture = detector.look(frame.array)
                work = time.monotonic() - begin
                detections = tracker.follow(detections, begin - age if frame.pts is None else frame.pts * 1e-9)
                results.send(frame, detections)
                shown = frame.array if picture is None else picture
                album.offer(shown, detections)
                album.show(shown, seq)
            gaps.free(time.monotonic())
            if trigger and trigger.saw(bool(detections)):
                sender.send("event", label=trigger.label, seq=seq, time=begin - age, found=len(detections),
                            boxes=[detection.box for detection in detections])
            sender.send("frame", seq=seq, age=age, work=work, missed=missed, alone=alone, found=len(detections))
    sender.send("bye", taken=taken, lost=sender.lost)


def _warn(sender: Sender, text: str) -> None:
    print(text, file=sys.stderr)  # a worker that others start has no supervisor to tell
    sender.send("warning", text=text)


def _given(name: str, default: float, low: float, high: float) -> float:
    """A number of the environment."""
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not is_number(value, low, high):
        raise SystemExit(f"{name}={text}: a number of {low:g} to {high:g} is needed")
    return value
