# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams that must stay in step: one frame of each, all of the same moment."""

import operator
import time

from ._errors import Closed, End, Invalid, Timeout

_NS = 1_000_000_000


class gather:
    """Iterates over aligned sets, a tuple with one frame from each reader.

    readers     Readers in the order of the tuples.
    tolerance   How far apart the frames of a set may be: seconds for "pts", otherwise in the unit of the key.
    key         "pts", "seq", "offset", or a function of a frame; it must grow from frame to frame.
    timeout     Seconds without a complete set after which Timeout names the streams that are missing. None waits.

    A frame whose partners never came is let go and counted; the streams go on. Ends when one of the streams ends.
    """

    def __init__(self, readers, tolerance=0.0, *, key="pts", timeout=None):
        self._readers = list(readers)
        if not self._readers:
            raise Invalid("gather needs a reader")
        self._key = key if callable(key) else operator.attrgetter(key)
        self._tolerance = tolerance * _NS if key == "pts" else tolerance
        self._timeout = timeout
        self._heads = [None] * len(self._readers)  # the oldest frame of each stream that is in no set yet
        self._incomplete_at = []  # keys of the incomplete sets that frames may still turn up for
        self.complete = 0
        self.incomplete = 0
        self.dropped = [0] * len(self._readers)

    @property
    def missing(self):
        """How many of the incomplete sets each stream is missing from."""
        return [self.incomplete - dropped for dropped in self.dropped]

    def __iter__(self):
        return self

    def __next__(self):
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        try:
            while True:
                keys = [self._head_key(index, deadline) for index in range(len(self._readers))]
                oldest = max(keys) - self._tolerance
                late = [index for index, key in enumerate(keys) if key < oldest]
                if not late:
                    break
                for index in late:
                    self._drop(index, keys[index])
                self._incomplete_at = [key for key in self._incomplete_at if key + self._tolerance >= min(keys)]
        except (End, Closed):
            for index, head in enumerate(self._heads):
                if head is not None:
                    self._drop(index, self._key(head))
            raise StopIteration from None
        frames, self._heads = tuple(self._heads), [None] * len(self._readers)
        self.complete += 1
        return frames

    def _head_key(self, index, deadline):
        if self._heads[index] is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            self._heads[index] = self._readers[index].read(left)
            if self._heads[index] is None:
                raise Timeout(f"no complete set in {self._timeout:g} s: {self._absent()}")
        key = self._key(self._heads[index])
        if key is None:
            raise Invalid(f"stream {index}: the frame has no such key (GStreamer sources may need do-timestamp=true)")
        return key

    def _absent(self):
        for index, reader in enumerate(self._readers):
            if self._heads[index] is None:
                self._heads[index] = reader.read(0)
        absent = [str(index) for index, head in enumerate(self._heads) if head is None]
        return "nothing from stream " + ", ".join(absent) if absent else "frames came, but none together"

    def _drop(self, index, key):
        self._heads[index] = None
        self.dropped[index] += 1
        if not any(abs(key - counted) <= self._tolerance for counted in self._incomplete_at):
            self._incomplete_at.append(key)
            self.incomplete += 1
