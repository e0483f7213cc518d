# SPDX-License-Identifier: LGPL-2.1-or-later
"""From the ring to the reel: the frames are encoded once, for segments and clips alike."""

import time
from collections.abc import Callable

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

from . import objects  # noqa: E402
from .config import Recording  # noqa: E402
from .reel import Frame, Reel  # noqa: E402

IN_WORK = 256  # frames that an encoder may hold back


class Encoder:
    def __init__(self, socket: str, worker: str, recording: Recording, reel: Reel, on_trouble: Callable[[str], object]):
        """GLib.Error if `encode` is no part of a launch line. `on_trouble` gets a sentence."""
        objects.check(recording)
        self.frames = 0
        self.missed = 0  # frames of the ring that never came here: the lane's drops
        self.joined = 0  # frames that a result came of
        self.objects = 0  # in them
        self._reel = reel
        self._numbers: dict[int, int] = {}  # of the frames in work: time → number in the ring
        self._seq = 0  # of the newest frame encoded
        self._pipeline = Gst.parse_launch(
            f"shmringsrc name=ring ! {objects.launch(recording)}{recording.encode}"
            " ! appsink name=out sync=false emit-signals=true enable-last-sample=false")
        # The frames' times are those of the machine's monotonic clock, the same in every process.
        self._pipeline.use_clock(Gst.SystemClock.obtain())
        ring = self._pipeline.get_by_name("ring")
        for name, value in (("socket-path", socket), ("worker", worker), ("depth", recording.depth)):
            ring.set_property(name, value)
        Gst.util_set_object_arg(ring, "drop-policy", "drop-newest")
        ring.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._taken)
        out = self._pipeline.get_by_name("out")
        out.set_property("caps", Gst.ElementFactory.make("matroskamux").get_pad_template("video_%u").get_caps())
        out.connect("new-sample", self._encoded)
        self._objects = objects.Objects(self._pipeline, socket, worker, recording.objects, on_trouble) if recording.objects else None

    def start(self) -> None:
        self._pipeline.set_state(Gst.State.PLAYING)
        if self._objects:
            self._objects.look()

    def ended(self) -> str | None:
        """None while it runs, "" after the end of the stream, or what went wrong."""
        kinds = Gst.MessageType.ERROR | Gst.MessageType.EOS
        while message := self._pipeline.get_bus().pop_filtered(kinds):
            if message.type == Gst.MessageType.EOS:
                return ""
            error, detail = message.parse_error()
            if self._objects and self._objects.failed(message.src, error.message):
                self._pipeline.set_state(Gst.State.PLAYING)  # while it starts, the error of one element stops the others
                continue
            hint = ": `encode` must give what Matroska takes" if "not-negotiated" in detail else ""
            return f"{message.src.get_name()}: {error.message}{hint}"
        if self._objects:
            self._objects.look()
        return None

    def stop(self) -> None:
        self._pipeline.set_state(Gst.State.NULL)
        self._reel.end()

    def _taken(self, _pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        buffer = info.get_buffer()
        self._numbers[buffer.pts] = buffer.offset
        while len(self._numbers) > IN_WORK:
            del self._numbers[next(iter(self._numbers))]
        return Gst.PadProbeReturn.OK

    def _encoded(self, sink) -> Gst.FlowReturn:
        sample = sink.emit("pull-sample")
        if sample is None:
            return Gst.FlowReturn.EOS
        buffer = sample.get_buffer()
        seq = self._numbers.pop(buffer.pts, 0)
        missed = seq - self._seq - 1 if 0 < self._seq < seq else 0  # a new publisher counts from the beginning
        self._seq = seq or self._seq
        self.missed += missed
        self.frames += 1
        running_time = sample.get_segment().to_running_time(Gst.Format.TIME, buffer.pts)
        # A picture decoded from a damaged stream may have no time: it came just now.
        at = (time.monotonic() if running_time == Gst.CLOCK_TIME_NONE else
              (sink.get_base_time() + running_time) / Gst.SECOND)
        seen = self._objects.take(buffer.pts, sample.get_caps()) if self._objects else None
        self.joined += seen is not None
        self.objects += len(seen or ())
        self._reel.append(Frame(
            number=self._reel.next_number, seq=seq, at=at, utc=time.time() - (time.monotonic() - at),
            key=not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT), missed=missed, size=buffer.get_size(),
            buffer=buffer.copy_deep(),  # encoders give more memory than the frame has
            caps=sample.get_caps(), objects=seen))
        return Gst.FlowReturn.OK
