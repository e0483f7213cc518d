# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file as a camera that never ends: played as segments, one after the other, in one running time without a seam."""

from collections.abc import Callable

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


class Loop:
    def __init__(self, decoder: Gst.Element, on_ready: Callable[[], None]):
        self._decoder = decoder
        self._on_ready = on_ready
        self._segment: Gst.Segment | None = None
        self._end = 0  # running time at which the last frame is over
        self._lag = 0  # what the present segment begins too early by
        self._pad: Gst.Pad | None = None
        decoder.connect("no-more-pads", lambda *_: GLib.idle_add(self._begin))

    def again(self) -> None:
        self._seek(Gst.SeekFlags(0))

    def _begin(self) -> bool:
        # The file's streams are known: the first segment can be asked for.
        self._pad = next((pad for pad in self._decoder.srcpads if pad.is_linked()), None)
        if self._pad is None:  # no video in it: the demuxer says so by an error
            return GLib.SOURCE_REMOVE
        # Watched before it is asked for: its first event may come at once.
        kinds = Gst.PadProbeType.BUFFER | Gst.PadProbeType.EVENT_DOWNSTREAM | Gst.PadProbeType.EVENT_FLUSH
        self._pad.add_probe(kinds, self._watch)
        self._seek(Gst.SeekFlags.FLUSH)
        self._on_ready()
        return GLib.SOURCE_REMOVE

    def _seek(self, flags: Gst.SeekFlags) -> None:
        flags |= Gst.SeekFlags.SEGMENT
        if self._pad is not None:
            self._pad.send_event(Gst.Event.new_seek(1.0, Gst.Format.TIME, flags, Gst.SeekType.SET, 0, Gst.SeekType.NONE, 0))

    def _watch(self, pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        """Demuxers begin a segment where the last frame of the one before began, not where it ended: both at once."""
        if info.type & Gst.PadProbeType.BUFFER:
            buffer = info.get_buffer()
            if self._segment and buffer.pts != Gst.CLOCK_TIME_NONE:
                duration = buffer.duration if buffer.duration != Gst.CLOCK_TIME_NONE else 0
                self._end = self._segment.to_running_time(Gst.Format.TIME, buffer.pts) + self._lag + duration
        elif info.get_event().type == Gst.EventType.FLUSH_STOP:
            self._segment, self._end, self._lag = None, 0, 0  # what came before the first segment does not count
        elif info.get_event().type == Gst.EventType.SEGMENT:
            self._segment = info.get_event().parse_segment().copy()
            self._lag = max(0, self._end - self._segment.base)
            pad.set_offset(pad.get_offset() + self._lag)
        return Gst.PadProbeReturn.OK
