# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames from another process, as numpy arrays, without a copy.

    import shmring

    with shmring.Reader("/run/cam/cam.sock", "latest", worker="person-detector") as frames:
        for frame in frames:
            detect(frame.array)

Times that belong to a frame (pts, dts, duration, published_at) are integers, nanoseconds on CLOCK_MONOTONIC as time.monotonic_ns()
counts them, but for captured_at and capture_utc, which are UTC as time.time_ns(); times that you hand over or measure (timeout, age) are seconds.
"""

import enum
import os
import weakref

from . import _interpreter  # noqa: F401  refuses sub-interpreters; before the extension module, which would wait for ever there
from . import _shmring
from ._async import AsyncFrames as _AsyncFrames
from ._errors import (
    Closed, Disconnected, End, Error, Forked, Full, Interrupted, InUse, Invalid, NoMemory, ProtocolError, Refused,
    SystemCallFailed, Timeout, TooLarge, TooManyHeld,
)
from ._gather import gather
from ._metas import Analytics, Classes, CustomMeta, Detection, Region, Relation, SerializedMeta, Timestamp, Tracking
from ._path import path_of as _path_of, warn_of_path as _warn_of_path, worker_name as _worker_name
from ._publisher import Publisher
from ._results import Classification, Object, Result, ResultReader, Results
from ._select import batch, select
from ._shmring import Frame, Loan, Memory, __version__  # noqa: F401  the version is no part of __all__
from ._video_capture import VideoCapture, snapshot

__all__ = [
    "Analytics", "Classes", "Classification", "Closed", "CustomMeta", "Detection", "Disconnected", "End", "Error", "Flag", "Forked",
    "Frame", "Full", "InUse", "Interrupted", "Invalid", "Loan", "Memory", "NoMemory", "Object", "ProtocolError", "Publisher", "Reader",
    "Refused", "Region", "Relation", "Result", "ResultReader", "Results", "SerializedMeta", "SystemCallFailed", "Timeout", "Timestamp",
    "TooLarge", "TooManyHeld", "Tracking", "VideoCapture", "batch", "gather", "inspect", "select", "snapshot",
]


class Flag(enum.IntFlag):
    """Bits of Frame.flags."""

    DELTA_UNIT = 1 << 0
    DISCONT = 1 << 1
    CORRUPTED = 1 << 2
    GAP = 1 << 3
    HEADER = 1 << 4
    MARKER = 1 << 5
    TOP_FIELD_FIRST = 1 << 6
    INTERLACED = 1 << 7
    REPEAT_FIRST_FIELD = 1 << 8
    ONE_FIELD = 1 << 9


class Reader(_shmring.Reader):
    """A worker's way to a publisher's frames. It need not be there yet: reading waits for it, and for the next one after its death.

    socket_path    Of the publisher's socket.
    drop_policy    "latest", "drop-oldest" or "drop-newest": which frames a slow worker misses. None: as the publisher set.
    worker         The name in everybody's statistics; the program's name and process number if none is given.
    depth          Frames that may wait, 0: as many as the publisher grants.
    max_held       Frames that may be held at once, 0: as many as the publisher grants.
    max_frame_age  Seconds; older frames are counted and passed over. 0: off.
    wake           "block", or "adaptive": spins for a moment when a frame is due, one such reader a ring.
    reconnect      False: reading raises Disconnected when the publisher is gone, and a path where none can be is an error.
    max_rate       Frames a second that are taken at most; a read waits for its turn, and the publisher wakes it for none in between. Goes with
                   drop_policy="latest". 0: no limit.
    writable_copies  True: the arrays of frames are copies that can be written to and kept, for scripts that draw with OpenCV.

    `path` and `policy` are former names of socket_path and drop_policy.
    """

    def __init__(self, socket_path=None, drop_policy=None, worker=None, *, depth=0, max_held=0, max_frame_age=0.0, wake="block",
                 reconnect=True, max_rate=0, writable_copies=False, path=None, policy=None):
        path = _path_of(socket_path if path is None else path)
        super().__init__(socket_path=path, drop_policy=drop_policy if policy is None else policy,
                         worker=worker or _worker_name(), depth=depth, max_held=max_held,
                         max_frame_age=max_frame_age, wake=wake, reconnect=reconnect, max_rate=float(max_rate or 0), writable_copies=writable_copies,
                         ring=os.path.abspath(os.fsdecode(path)))
        if reconnect:
            _warn_of_path(path)
        self._async_frames = weakref.WeakSet()
        self._turns = []  # the waits of tasks in `async for`, in their order
        self._kept = []  # frames of tasks that were cancelled before they could go on
        self._ended = False  # the end of the stream was met by `async for`

    def __aiter__(self):
        frames = _AsyncFrames(self)
        self._async_frames.add(frames)
        return frames

    def close(self):
        """Detaches. Frames and arrays that still live stay valid. A thread that waits in this reader is woken."""
        super().close()
        for frames in list(self._async_frames):
            frames.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __reduce__(self):
        raise TypeError("a reader cannot leave its process: open one in each process that reads")


def inspect(socket_path, timeout=1.0):
    """Stats of a live ring, through an observer: takes no lane, maps nothing."""
    return _shmring.inspect(_path_of(socket_path), timeout)
