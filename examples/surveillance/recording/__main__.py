# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorder's process: one more reader of the ring. It hears of triggers, and tells once a second how it is.

    ring ═ shmringsrc ─ encoder ─ reel (memory) ─┬─ segments: everything, for a while
                                                 └─ clips: the seconds around a trigger

Its environment is a worker's (SHMRING_PATH, CAMERA_NAME, WORKER_NAME, REPORT_FD), and RECORDINGS, the folder that everything
is below, and RECORDER, JSON: {"recorder": {…}, "clips": {…}, "workers": ["NAME", …]}, the tables of the system's file and the workers
that `objects` may name.
"""

import os
import selectors
import signal
import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

from ..channel import Sender  # noqa: E402
from .. import messages  # noqa: E402
from ..untrusted import explain, parse_object  # noqa: E402
from . import config  # noqa: E402
from .clips import Clips  # noqa: E402
from .disk import Disk  # noqa: E402
from .encode import Encoder  # noqa: E402
from .plan import Trigger  # noqa: E402
from .reel import Reel  # noqa: E402
from .segments import Segments  # noqa: E402

REPORT_EVERY = 1.0  # seconds
LEAVE = 4.0  # seconds that the writers may take at the end
SLACK = 5.0  # seconds that a slow disk may be behind
OLDEST = 3600.0  # seconds that a trigger may be behind


class Recorder:
    def __init__(self, socket: str, folder: Path, recording: config.Recording, sender: Sender):
        self._sender = sender
        self._has_objects = bool(recording.objects)
        clips = recording.clips
        camera, worker = os.environ.get("CAMERA_NAME", "camera"), os.environ.get("WORKER_NAME", "recorder")
        self._reel = Reel(SLACK + (clips.before + clips.late if clips else 0.0), recording.memory)
        self._encoder = Encoder(socket, worker, recording, self._reel, lambda text: sender.send("warning", text=text))
        self._segments = Segments(self._reel, folder / recording.folder, recording,
                                  self._disk("segments"), camera, software()) if recording.segment else None
        self._clips = Clips(self._reel, folder / clips.folder, clips, self._disk("clips"), camera,
                            software(), lambda content: sender.send("clip", text=_told(content)),
                            bool(recording.objects)) if clips else None
        self._writers = [writer for writer in (self._segments, self._clips) if writer]
        self._ended = False

    def run(self) -> int:
        """Until the end of the stream, SIGTERM, or the end of the manager."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_ended", True))
        for writer in self._writers:
            writer.start()
        self._encoder.start()
        failed = None
        with selectors.DefaultSelector() as selector:
            if self._sender.fileno() >= 0:
                selector.register(self._sender, selectors.EVENT_READ)
            next_report = time.monotonic()
            while not self._ended and not self._sender.closed and failed is None:
                selector.select(max(0.0, min(0.2, next_report - time.monotonic())))
                for message in self._sender.receive():
                    self._hear(message)
                failed = self._failed()
                if time.monotonic() >= next_report:
                    next_report = time.monotonic() + REPORT_EVERY
                    self._sender.send("report", **self.report())
        if failed:
            _fail(self._sender, failed)
        return self._stop(1 if failed else 0)

    def _failed(self) -> str | None:
        """As Encoder.ended(); a writer that died is worth a new process."""
        gone = next((writer.name for writer in self._writers if not writer.is_alive()), None)
        return f"the writer of {gone} ended; see the log" if gone else self._encoder.ended()

    def report(self) -> dict:
        segments, clips = self._segments, self._clips
        report: dict = {"frames": self._encoder.frames, "missed": self._encoder.missed, "held_bytes": self._reel.bytes,
                        "held_seconds": round(self._reel.seconds_held(), 3)}
        if self._has_objects:
            report |= {"joined": self._encoder.joined, "objects": self._encoder.objects}
        if segments:
            kept = segments.retention
            report |= {"segments": kept.count, "bytes": kept.bytes, "free": kept.free, "deleted": kept.deleted,
                       "frames_written": segments.written, "frames_lost": segments.lost, "writing": segments.writing,
                       "disk": segments.disk.state, "error": segments.disk.error}
        if clips:
            kept = clips.retention
            report |= {"clips": kept.count, "clips_bytes": kept.bytes, "clips_free": kept.free,
                       "clips_deleted": kept.deleted, "clips_written": clips.written, "clips_failed": clips.failed,
                       "clips_refused": clips.plans.refused, "clips_covered": clips.plans.covered, "triggers": clips.plans.triggers,
                       "clips_disk": clips.disk.state, "clips_error": clips.disk.error}
        return report

    def _hear(self, message: dict) -> None:
        try:
            told = messages.to_recorder(message)
            if self._clips:
                self._clips.trigger(self._trigger(told))
        except Exception as error:
            self._sender.send("warning", text=f"a trigger was refused: {explain(error)}")

    def _trigger(self, told: messages.Trigger) -> Trigger:
        """Its time is that of the frame it saw, if that is known; else what it says itself, or now."""
        now = time.monotonic()
        frame = self._reel.find(told.seq)
        at = frame.at if frame else now if told.time is None else min(now, max(now - OLDEST, told.time))
        return Trigger(told.worker, told.label or "event", at, frame.utc if frame else time.time() - (now - at), told.seq, told.found,
                       told.boxes, found_frame=frame is not None)

    def _stop(self, code: int) -> int:
        self._encoder.stop()
        if self._clips:
            self._clips.stop()
        end = time.monotonic() + LEAVE
        for writer in self._writers:
            writer.join(max(0.0, end - time.monotonic()))
        self._sender.send("report", **self.report())
        self._sender.send("bye", taken=self._encoder.frames, lost=self._sender.lost)
        if any(writer.is_alive() for writer in self._writers):
            os._exit(1)  # a disk that does not answer must not keep the process
        return code

    def _disk(self, folder: str) -> Disk:
        def changed(state: str, error: str) -> None:
            self._sender.send("warning", text=f"{folder}: the disk is {state}" + (f": {error}" if error else " again"))
        return Disk(changed)


def software() -> str:
    try:
        import shmring
        return f"gst-frame-supplier {shmring.__version__}"
    except ImportError:
        return "gst-frame-supplier"


def _fail(sender: Sender, text: str) -> None:
    sender.send("error", text=text)
    print(text, file=sys.stderr)


def _told(content: dict) -> str:
    more = f" and {content['triggers'] - 1} more" if content["triggers"] > 1 else ""
    return f"{content['clip']}: {content['label']} of {content['worker']}{more}, {content['seconds']:.1f} s, {content['bytes'] / 1e6:.1f} MB"


def main() -> int:
    sender = Sender()
    Gst.init(None)
    try:
        tables = parse_object(os.environ.get("RECORDER", "{}").encode())
        recording = config.parse(tables.get("recorder"), tables.get("clips"), tables.get("workers", []))
        if "SHMRING_PATH" not in os.environ:
            raise ValueError("SHMRING_PATH is not set: the path of the ring's socket is needed")
        recorder = Recorder(os.environ["SHMRING_PATH"], Path(os.environ.get("RECORDINGS", ".")), recording, sender)
    except Exception as error:
        _fail(sender, error.message if isinstance(error, GLib.Error) else explain(error))
        return 2
    return recorder.run()


if __name__ == "__main__":
    sys.exit(main())
