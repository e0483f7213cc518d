# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several readers in one thread: each frame that comes, or batches for a model."""

import select as _select
import time

from ._errors import Closed, End, Invalid

# Seconds between two looks at all readers: one whose stream has ended reports the next end without a sign at its descriptor.
_LOOK_AGAIN = 0.5


def select(readers, timeout=None):
    """Waits until a reader has a frame, for at most `timeout` seconds. A list of pairs (reader, its next frame), empty when the time is over.

    Each reader is asked once. In place of the frame of a stream that has ended there is None, and again every 0.5 s until the next stream. Raises
    what Reader.read() raises, Closed if a reader was closed.
    """
    readers = _distinct(readers, "select")
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        found = []
        for reader in readers:
            try:
                frame = reader.read(0)
            except End:
                found.append((reader, None))
            else:
                if frame is not None:
                    found.append((reader, frame))
        left = _left(deadline)
        if found or left == 0:
            return found
        _wait(readers, left)


class batch:
    """Iterates over batches for one model: lists of pairs (reader, its newest frame), at most one of each reader.

    readers  Readers, best with drop_policy="latest".
    size     Frames of a batch at most; None: as many as there are readers.
    timeout  Seconds after the first frame of a batch, after which it is given without the frames that did not come.

    A batch has at least one frame. Where more readers have frames than it takes, the next batch begins with those that were left out. A stream that
    has ended or a reader that was closed costs no time; iteration ends when that holds for all.
    """

    def __init__(self, readers, size=None, timeout=0.0):
        self._readers = _distinct(readers, "batch")
        self._size = len(self._readers) if size is None else size
        if self._size < 1:
            raise Invalid(f"batch: size is 1 or more, not {size}")
        self._timeout = timeout
        self._ended = set()

    def __iter__(self):
        return self

    def __next__(self):
        frames: dict = {}
        deadline = None
        while True:
            self._take(frames)
            if frames and deadline is None:
                deadline = time.monotonic() + self._timeout
            others = [reader for reader in self._readers if reader not in frames]
            left = _left(deadline)
            if len(frames) == self._size or left == 0 or self._ended.issuperset(others):
                break
            _wait(others, left)
        if not frames:
            raise StopIteration
        # Those that gave no frame come first the next time.
        self._readers.sort(key=frames.__contains__)
        return list(frames.items())

    def _take(self, frames):
        for reader in self._readers:
            if len(frames) == self._size:
                return
            if reader in frames:
                continue
            try:
                frame = reader.latest(0)
            except (Closed, End):
                self._ended.add(reader)
            else:
                if frame is not None:
                    frames[reader] = frame
                    self._ended.discard(reader)


def _distinct(readers, caller):
    readers = list(readers)
    if not readers:
        raise Invalid(f"{caller} needs a reader")
    if len(set(readers)) < len(readers):
        raise Invalid(f"{caller}: a reader is in the list twice; open one for each")
    return readers


def _left(deadline):
    return _LOOK_AGAIN if deadline is None else max(0.0, min(_LOOK_AGAIN, deadline - time.monotonic()))


def _wait(readers, seconds):
    """Until one of the readers may have something to read."""
    watched = _select.poll()
    for reader in readers:
        if not reader.closed:
            watched.register(reader.fileno(), _select.POLLIN)
    watched.poll(max(1, seconds * 1000))
