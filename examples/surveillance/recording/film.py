# SPDX-License-Identifier: LGPL-2.1-or-later
"""One Matroska file, written in the caller's thread: whatever the disk answers is an OSError here, at once.

A file that was not closed, because its process was killed or the disk is full, plays up to its last whole frame.
"""

import contextlib
import errno
import os
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

from .reel import Frame  # noqa: E402

_ERRNO = {os.strerror(number): number for number in errno.errorcode}


class Film:
    def __init__(self, path: Path, first: Frame):
        """The first frame is a key frame; it gives the format and time 0, and still has to be written."""
        self.path = path
        self.first = self.last = first
        self.frames = 0
        self.bytes = 0
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
        # A pad of our own instead of appsrc: a push, and a DRAIN query after it, return when the bytes are written.
        self._pipeline = Gst.parse_launch(
            "matroskamux name=mux min-index-interval=1000000000 ! fdsink name=file sync=false async=false")
        self._bus = self._pipeline.get_bus()
        mux = self._pipeline.get_by_name("mux")
        mux.set_property("writing-app", "gst-frame-supplier")
        mux.set_property("creation-time", GLib.DateTime.new_from_unix_utc(int(first.utc)))
        self._pipeline.get_by_name("file").set_property("fd", self._fd)
        self._pad = Gst.Pad.new("src", Gst.PadDirection.SRC)
        self._pad.link(mux.request_pad_simple("video_%u"))
        self._pad.set_active(True)
        self._pipeline.set_state(Gst.State.PLAYING)
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        for event in (Gst.Event.new_stream_start("video"), Gst.Event.new_caps(first.caps), Gst.Event.new_segment(segment)):
            self._pad.push_event(event)

    @property
    def seconds(self) -> float:
        return self.last.at - self.first.at

    def write(self, frame: Frame) -> None:
        flags = Gst.BufferCopyFlags.MEMORY | Gst.BufferCopyFlags.FLAGS  # another face of the same memory
        buffer = frame.buffer.copy_region(flags, 0, frame.size)
        buffer.pts = max(0, round((frame.at - self.first.at) * Gst.SECOND))
        pushed = self._pad.push(buffer) == Gst.FlowReturn.OK
        # From GStreamer 1.26 on the muxer has a thread of its own, which answers the query when it has done with the frame.
        self._pad.peer_query(Gst.Query.new_drain())
        if (message := self._bus.pop_filtered(Gst.MessageType.ERROR)) or not pushed:
            raise self._error(message)
        self.last = frame
        self.frames += 1
        self.bytes += frame.size

    def sync(self) -> None:
        """Makes the written data outlive a power cut."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Writes index and duration, and waits for the disk. The caller abandons a film that fails here, too."""
        if not self._pad.push_event(Gst.Event.new_eos()):
            raise self._error()
        message = self._bus.timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        if message.type == Gst.MessageType.ERROR:
            raise self._error(message)
        os.fsync(self._fd)
        self.abandon()

    def abandon(self) -> None:
        """Leaves the file as it is, or removes it if no frame is in it. Always works, also a second time."""
        if self._fd >= 0:
            self._pipeline.set_state(Gst.State.NULL)
            self._pad.set_active(False)
            os.close(self._fd)
            self._fd = -1
            if not self.frames:
                with contextlib.suppress(OSError):
                    self.path.unlink()

    def _error(self, message=None) -> OSError:
        message = message or self._bus.pop_filtered(Gst.MessageType.ERROR)
        if message is None:
            return OSError(errno.EIO, "the file could not be written")
        error, detail = message.parse_error()
        if error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NO_SPACE_LEFT):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        number = next((number for text, number in _ERRNO.items() if text in f"{error.message} {detail}"), errno.EIO)
        return OSError(number, error.message)
