# SPDX-License-Identifier: LGPL-2.1-or-later
"""The capture process: camera → latestframe → recorder and ring. It only reports; nothing here decides about workers.

    camera ─ latestframe ─┬─ ring: shmringsink ═ the workers' processes
                          └─ recorder: framehealth ─ jpegenc ─ matroskamux ─ filesink     with --record
"""

import argparse
import os
import signal
import stat
import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

from .channel import Sender  # noqa: E402
from .loop import Loop  # noqa: E402
from .messages import to_capture  # noqa: E402
from .untrusted import explain  # noqa: E402

STATS_EVERY = 250  # ms
RECORDER_FINISHES = 500  # ms
READERS_LEAVE = 4.0  # s: how long the readers may take to notice the end


def source(address: str) -> str:
    """The camera's part of the launch line. What is not live by itself is paced by its own times, once decoded."""
    if address == "test":
        return "videotestsrc is-live=true pattern=ball ! video/x-raw,width=768,height=576,framerate=10/1"
    if address.startswith("/dev/"):
        return f"v4l2src device={quoted(address)} ! decodebin"
    if "://" in address:
        return f"uridecodebin uri={quoted(address)}" + (" ! clocksync" if address.startswith("http") else "")
    return f"filesrc location={quoted(address)} ! decodebin name=file ! clocksync"


def refusal(address: str) -> str:
    """Why this input cannot be one: opening a FIFO as a file would wait for ever."""
    if address == "test" or address.startswith("/dev/") or "://" in address:
        return ""
    try:
        return "" if stat.S_ISREG(os.stat(address).st_mode) else f"the input {address} is no regular file"
    except OSError as error:
        return f"the input {address} cannot be read: {error.strerror}"


def quoted(text) -> str:
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def launch_line(arguments: argparse.Namespace) -> str:
    """The encoder's wish for buffers is dropped: the ring's are the only ones, and the converter writes into them."""
    stall = int(arguments.stall_timeout * Gst.SECOND)
    recorder = f"""
        supply.src_1 ! framehealth name=recorder worker=recorder stall-timeout={stall}
          ! identity drop-allocation=true ! jpegenc quality=80 ! matroskamux
          ! filesink async=false location={quoted(arguments.record)}""" if arguments.record else ""
    branches = ["ring-branch", "recorder-branch"][:2 if recorder else 1]
    pads = "".join(f" src_{number}::worker={worker} src_{number}::stall-timeout={stall}"
                   for number, worker in enumerate(branches))
    return f"""
        {source(arguments.input)} ! videoconvert ! video/x-raw,format=BGR ! latestframe name=supply {pads}
        supply.src_0 ! shmringsink name=ring socket-path={quoted(arguments.socket)} max-readers={arguments.readers}
              depth={arguments.depth} max-held={arguments.max_held} stall-timeout={stall}
              forward-eos=always
        {recorder}
    """


def plain(value):
    """A GstStructure, list or enum as what JSON knows."""
    if isinstance(value, Gst.Structure):
        return {value.nth_field_name(index): plain(value.get_value(value.nth_field_name(index)))
                for index in range(value.n_fields())}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return getattr(value, "value_nick", value)
    if isinstance(value, (Gst.ValueArray, Gst.ValueList)):
        return [plain(value[index]) for index in range(len(value))]
    return str(value)


class Capture:
    def __init__(self, arguments: argparse.Namespace, sender: Sender):
        self._sender = sender
        self._loop = GLib.MainLoop()
        self._pipeline = Gst.parse_launch(launch_line(arguments))
        self._supply = self._pipeline.get_by_name("supply")
        self._ring = self._pipeline.get_by_name("ring")
        self._recorder = self._pipeline.get_by_name("recorder")
        file = self._pipeline.get_by_name("file")
        self._loop_file = Loop(file, lambda: self._pipeline.set_state(Gst.State.PLAYING)) if file else None
        self._supply.get_static_pad("sink").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._keep_end)
        self._ring.get_static_pad("sink").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._watch_end)
        self._ending_since: float | None = None
        self._ended = False
        self._received, self._received_at = 0, time.monotonic()
        self._reconnect = arguments.reconnect
        self.failed = False

    def run(self) -> None:
        bus = self._pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self._on_message)
        for number in (signal.SIGTERM, signal.SIGINT):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self._end)
        GLib.timeout_add(STATS_EVERY, self._tick)
        # A file plays once its first segment is there.
        started = self._pipeline.set_state(Gst.State.PAUSED if self._loop_file else Gst.State.PLAYING)
        if started == Gst.StateChangeReturn.FAILURE:
            self._say_why(bus)
        else:
            self._loop.run()
        self._tell_stats(last=True)
        self._pipeline.set_state(Gst.State.NULL)

    def _say_why(self, bus: Gst.Bus) -> None:
        self.failed = True
        if message := bus.pop_filtered(Gst.MessageType.ERROR):
            self._on_message(bus, message)

    def _end(self) -> bool:
        """End of stream after the newest frame: the recorder finishes its file, the readers come to their end."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()
            self._supply.get_static_pad("sink").send_event(Gst.Event.new_eos())
        return GLib.SOURCE_CONTINUE

    def _on_message(self, _bus, message: Gst.Message) -> None:
        kind = message.type
        if kind == Gst.MessageType.ELEMENT and message.get_structure().get_name() == "frame-health":
            self._sender.send("health", **plain(message.get_structure()))
        elif kind == Gst.MessageType.SEGMENT_DONE and self._loop_file:
            if self._ending_since is None:
                self._loop_file.again()
        elif kind == Gst.MessageType.EOS:
            self._ended = True
        elif kind == Gst.MessageType.ERROR:
            error, _ = message.parse_error()
            self._fail(f"{message.src.get_name()}: {error.message}")
        elif kind == Gst.MessageType.WARNING:
            warning, _ = message.parse_warning()
            self._sender.send("warning", text=f"{message.src.get_name()}: {warning.message}")

    def _fail(self, why: str) -> bool:
        """Ends without an end of stream, so that the readers wait for the next publisher."""
        self._sender.send("error", text=why)
        self.failed = True
        self._loop.quit()
        return GLib.SOURCE_REMOVE

    def _keep_end(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        """No new stream after the end, which sinks would refuse: a file's next round may be on its way."""
        is_over = self._ending_since is not None and info.get_event().type != Gst.EventType.EOS
        return Gst.PadProbeReturn.DROP if is_over else Gst.PadProbeReturn.OK

    def _watch_end(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        """An input that ends by itself is a camera that is away for a while: the recorder finishes, the readers wait."""
        if info.get_event().type != Gst.EventType.EOS or self._ending_since is not None:
            return Gst.PadProbeReturn.OK
        GLib.timeout_add(RECORDER_FINISHES, self._fail, "the input ended")
        return Gst.PadProbeReturn.DROP

    def _set_limits(self, workers: dict[str, tuple[float, float]]) -> None:
        """Each lane's own, by its worker's level."""
        entries = []
        for name, (drop_rate, frame_age) in workers.items():
            entry = Gst.Structure.new_empty("limits")
            entry.set_value("worker", name)
            entry.set_value("max-drop-rate", drop_rate)
            entry.set_value("max-frame-age", int(frame_age * Gst.SECOND))
            entries.append(entry)
        self._ring.set_property("worker-limits", Gst.ValueArray(entries))

    def _look_at_source(self) -> None:
        received = self._supply.get_property("stats").get_value("received")
        if received != self._received:
            self._received, self._received_at = received, time.monotonic()
        silent = time.monotonic() - self._received_at
        if self._reconnect and silent > self._reconnect and self._ending_since is None:
            self._fail(f"no frame for {silent:.0f} s: the camera is asked anew")

    def _tick(self) -> bool:
        self._tell_stats()
        self._look_at_source()
        for message in self._sender.receive():
            try:
                self._set_limits(to_capture(message).workers)
            except Exception as error:
                self._sender.send("warning", text=f"limits were refused: {explain(error)}")
        if self._sender.closed:
            self._end()  # the supervisor is gone: finish the file and go too
        if self._ending_since is not None:
            late = time.monotonic() - self._ending_since > READERS_LEAVE
            if late or (self._ended and self._ring.get_property("num-clients") == 0):
                self._loop.quit()
        return GLib.SOURCE_CONTINUE

    def _tell_stats(self, last: bool = False) -> None:
        self._sender.send(
            "stats",
            last=last,
            ring=plain(self._ring.get_property("stats")),
            supply=plain(self._supply.get_property("stats")),
            recorder=self._recorder and plain(self._recorder.get_property("stats")),
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="One camera, its recorder and its ring")
    parser.add_argument("--input", required=True, help="a file, /dev/video0, an address, or `test`")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--record", type=Path, help="a file to record into, beside the ring")
    parser.add_argument("--readers", type=int, required=True)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--max-held", type=int, default=3)
    parser.add_argument("--stall-timeout", type=float, default=30.0)
    parser.add_argument("--reconnect", type=float, default=0.0, help="end after so many seconds without a frame")
    arguments = parser.parse_args()
    Gst.init(None)
    sender = Sender()
    if why := refusal(arguments.input):
        sender.send("error", text=why)
        print(why, file=sys.stderr)
        return 1
    try:
        capture = Capture(arguments, sender)
    except GLib.Error as error:
        sender.send("error", text=error.message)
        return 1
    capture.run()
    return 1 if capture.failed else 0


if __name__ == "__main__":
    sys.exit(main())
