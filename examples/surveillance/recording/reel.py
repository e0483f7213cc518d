# SPDX-License-Identifier: LGPL-2.1-or-later
"""The newest encoded frames in memory, bounded by seconds and by bytes: pre-roll, and what waits for a slow disk.

One thread adds, the writers take by number, each at its own pace. Adding never waits: a writer that is too late
finds its frames gone, sees so in the numbers, and counts them.
"""

import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """An object that a worker found in a frame."""

    worker: str
    label: str
    score: float
    box: tuple[float, float, float, float]  # left, top, width, height, in pixels of the recorded picture
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    number: int  # in the reel, from 1, without a gap
    seq: int  # in the ring; 0: not known
    at: float  # monotonic seconds
    utc: float  # seconds since 1970, by the wall clock when the frame came
    key: bool  # needs no frame before it
    missed: int  # frames of the ring right before it that never came here
    size: int
    buffer: Any  # encoded, with memory of its own size
    caps: Any
    objects: tuple[Seen, ...] | None = None  # what workers found in it; None: no result of it came


def picture_size(caps: Any) -> tuple[int, int]:
    """Width and height in caps. By their text: what Gst.Caps.get_structure() returns in Python differs from GStreamer to GStreamer."""
    sides = dict(re.findall(r"(?<![-\w])(width|height)=\(int\)(\d+)", caps.to_string()))
    return int(sides["width"]), int(sides["height"])


class Reel:
    def __init__(self, seconds: float, most_bytes: int):
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._frames: deque[Frame] = deque()
        self._keys: deque[Frame] = deque()  # of these, in order
        self._changed = threading.Condition()
        self.bytes = 0
        self.next_number = 1
        self.ended = False

    def append(self, frame: Frame) -> None:
        with self._changed:
            self._frames.append(frame)
            self.next_number = frame.number + 1
            self.bytes += frame.size
            if frame.key:
                self._keys.append(frame)
            # From its second key frame on it reaches far enough back: the first group is not needed any more.
            while len(self._keys) > 1 and self._keys[1].at <= frame.at - self._seconds:
                self._drop(self._keys[1].number)
            while self.bytes > self._most_bytes and len(self._frames) > 1:
                self._drop(self._frames[1].number)
            self._changed.notify_all()

    def end(self) -> None:
        """No frame will follow: who waits is woken."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def take(self, number: int, timeout: float) -> Frame | None:
        """The frame of that number, or the oldest that is left after it. None: it did not come in time, or never will."""
        end = time.monotonic() + timeout
        with self._changed:
            while self.next_number <= number or not self._frames:
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    return None
                self._changed.wait(left)
            return self._frames[max(0, number - self._frames[0].number)]

    def start_for(self, at: float) -> int:
        """The number to begin with, to have everything from that time on: its key frame, or the first there is."""
        with self._changed:
            earlier = [frame.number for frame in self._keys if frame.at <= at]
            if earlier:
                return earlier[-1]
            return self._keys[0].number if self._keys else self.next_number

    def find(self, seq: int) -> Frame | None:
        """The newest publisher's frame of that number; one before it counted for itself, so its frame of that number is another one."""
        newest = 0
        with self._changed:
            for frame in reversed(self._frames):
                if newest and frame.seq >= newest:
                    return None
                if frame.seq == seq != 0:
                    return frame
                newest = frame.seq or newest
        return None

    def oldest(self) -> Frame | None:
        with self._changed:
            return self._frames[0] if self._frames else None

    def seconds_held(self) -> float:
        with self._changed:
            return self._frames[-1].at - self._frames[0].at if self._frames else 0.0

    def _drop(self, first_kept: int) -> None:
        while self._frames[0].number < first_kept:
            frame = self._frames.popleft()
            self.bytes -= frame.size
            if self._keys and self._keys[0] is frame:
                self._keys.popleft()
