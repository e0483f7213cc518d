# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams that must stay in step: one frame of each, all of the same moment."""

import operator
import threading
import time
import warnings

from ._errors import Closed, End, Invalid, Timeout

_NS = 1_000_000_000
# Seconds: a frame that waits longer for partners that would need more than the second one to come up to it is let go.
_HELD, _OUT_OF_REACH = 1.0, 10.0
_TOLD_AFTER = 100  # frames that were let go for good without a complete set; one out of reach took a second and counts 20
_REMEDY = "let the publishers use one clock, or choose a larger tolerance or another key"


class _Head:
    """The oldest frame of a stream that is in no set yet."""

    __slots__ = "frame", "key", "since", "late"

    def __init__(self, frame, key):
        self.frame = frame
        self.key = key
        self.since = time.monotonic()
        self.late = {}  # of each stream that it waited for: the key of the first frame that came too early

    def out_of_reach(self, index, other):
        """Tells whether that stream, of which a frame came that is too early again, will not come up to this frame any time soon."""
        progress = other.key - self.late.setdefault(index, other.key)
        waited = other.since - self.since
        return waited > _HELD and (self.key - other.key) * waited > progress * _OUT_OF_REACH


class gather:
    """Iterates over aligned sets, a tuple with one frame from each reader.

    readers     Readers in the order of the tuples.
    tolerance   How far apart the frames of a set may be: seconds for "pts", otherwise in the unit of the key.
    key         "pts", "sequence" or "seq", "offset", or a function of a frame; it must grow from frame to frame.
    timeout     Seconds without a complete set after which Timeout names the streams that are missing. None waits.

    A frame whose partners never came is let go and counted; the streams go on. Ends when one of the streams ends.
    Keys may begin anew, as those of a publisher that restarts do: the frames from before are let go, and the streams are aligned again
    as soon as all have begun anew. `restarts` counts that for each stream: keys that fall by more than the tolerance, and by "seq" also another
    publisher, whatever its numbers are. Threads may share it: each set goes to one of them.
    """

    def __init__(self, readers, tolerance=0.0, *, key="pts", timeout=None):
        self._readers = list(readers)
        if not self._readers:
            raise Invalid("gather needs a reader")
        for index, reader in enumerate(self._readers):
            first = next(i for i, other in enumerate(self._readers) if other is reader)
            if first != index:
                raise Invalid(f"gather: streams {first} and {index} are the same reader; open one for each")
        self._name = "key" if callable(key) else key
        self._key = key if callable(key) else operator.attrgetter(key)
        self._tolerance = tolerance * _NS if key == "pts" else tolerance
        self._timeout = timeout
        self._heads: list = [None] * len(self._readers)
        self._last = [None] * len(self._readers)  # the last key of each stream
        self._former = [None] * len(self._readers)  # the last one before the stream began anew, until there is a complete set
        self._incomplete_at = []  # keys of the incomplete sets that frames may still turn up for
        self._apart = ""  # how far the streams were from each other when a frame was last let go
        self._given_up = 0  # frames since the last complete set, whose partners were out of reach
        self._attachments = [0] * len(self._readers)  # by "seq": how often each reader had found a publisher when its last frame came
        self._anew_at = 0  # by "seq": when the first frame of the last publisher that took another's place was published
        self._lock = threading.RLock()
        self._busy = False
        self.complete = 0
        self.incomplete = 0
        self.dropped = [0] * len(self._readers)
        self.restarts = [0] * len(self._readers)

    @property
    def missing(self):
        """Number of incomplete sets that each stream is missing from."""
        return [self.incomplete - dropped for dropped in self.dropped]

    def __iter__(self):
        return self

    def __next__(self):
        if not self._lock.acquire(timeout=-1 if self._timeout is None else self._timeout):
            raise Timeout(f"no complete set in {self._timeout:g} s: other threads got them")
        try:
            if self._busy:
                raise RuntimeError("gather was asked for a set by its own key function")
            self._busy = True
            try:
                return self._next()
            finally:
                self._busy = False
        finally:
            self._lock.release()

    def _next(self):
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        try:
            while True:
                self._fill(deadline)
                newest = max(range(len(self._heads)), key=lambda index: self._heads[index].key)
                oldest = self._heads[newest].key - self._tolerance
                late = [index for index, head in enumerate(self._heads) if head.key < oldest]
                if not late:
                    break
                self._let_go(newest, late)
        except (End, Closed):
            for index, head in enumerate(self._heads):
                if head is not None:
                    self._drop(index)
            raise StopIteration from None
        frames, self._heads = tuple(head.frame for head in self._heads), [None] * len(self._readers)
        self.complete += 1
        self._apart, self._given_up = "", 0
        self._former = [None] * len(self._readers)
        return frames

    def _let_go(self, newest, late):
        """The frames that are too early for the newest one; and that one, where the others will not come up to it."""
        heads = list(self._heads)
        self._measure(newest, heads[newest].key, late[0], heads[late[0]].key)
        for index in late:
            self._drop(index)
        for index, head in enumerate(heads):
            if index not in late and any(head.out_of_reach(other, heads[other]) for other in late):
                self._drop(index)
                self._give_up(20)
        earliest = min(head.key for head in heads)
        self._incomplete_at = [key for key in self._incomplete_at if key + self._tolerance >= earliest]

    def _measure(self, ahead, ahead_key, behind, behind_key):
        gap = ahead_key - behind_key
        by = f"stream {ahead} is {gap / _NS:g} s" if self._name == "pts" else f"the {self._name} of stream {ahead} is {gap}"
        self._apart = f"{by} ahead of stream {behind}"

    def _give_up(self, weight):
        before, self._given_up = self._given_up, self._given_up + weight
        if before < _TOLD_AFTER <= self._given_up:
            warnings.warn(f"gather: no complete set, {self._apart}: {_REMEDY}", RuntimeWarning, stacklevel=2)

    def _fill(self, deadline):
        while None in self._heads:
            index = self._heads.index(None)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            frame = self._readers[index].read(left)
            if frame is None:
                raise Timeout(f"no complete set in {self._timeout:g} s: {self._absent()}")
            self._take(index, frame)

    def _take(self, index, frame):
        key = self._key(frame)
        if key is None:
            raise Invalid(f"stream {index}: frame {frame.seq} has no {self._name} (a Python publisher gives pts=…, GStreamer sources may "
                          "need do-timestamp=true); the frame was let go")
        last, self._last[index] = self._last[index], key
        self._heads[index] = _Head(frame, key)
        other_publisher = self._found_another(index)
        if last is not None and (other_publisher or last - key > self._tolerance):  # the stream began anew
            self._former[index] = last
            self.restarts[index] += 1
            if other_publisher:
                self._anew_at = frame.published_at
            self._incomplete_at.clear()
        for other in range(len(self._readers)):
            self._let_go_of_before(other)

    def _found_another(self, index):
        """Tells whether the reader found a publisher since the last frame: its numbers, which are all that the key is, begin anew with it."""
        if self._name not in ("seq", "sequence"):
            return False
        before, self._attachments[index] = self._attachments[index], self._readers[index].attachments
        return self._attachments[index] != before

    def _let_go_of_before(self, index):
        """Drops frames from before another stream began anew: they find no partner any more."""
        head = self._heads[index]
        if head is None or self._former[index] is not None:
            return
        if self._anew_at and head.frame.published_at < self._anew_at:
            self._drop(index)
            return
        for other, former in enumerate(self._former):
            if former is not None and abs(head.key - former) < abs(head.key - self._last[other]):
                self._measure(index, head.key, other, self._last[other])
                self._drop(index)
                self._give_up(1)
                return

    def _absent(self):
        for index, reader in enumerate(self._readers):
            if self._heads[index] is None and (frame := reader.read(0)) is not None:
                self._take(index, frame)
        absent = [str(index) for index, head in enumerate(self._heads) if head is None]
        if self._apart:
            return f"frames came, but none together, {self._apart}: {_REMEDY}"
        return "nothing from stream " + ", ".join(absent) if absent else "frames came, but none together"

    def _drop(self, index):
        key, self._heads[index] = self._heads[index].key, None
        self.dropped[index] += 1
        if not any(abs(key - counted) <= self._tolerance for counted in self._incomplete_at):
            self._incomplete_at.append(key)
            self.incomplete += 1
