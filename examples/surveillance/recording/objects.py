# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results of workers, joined to the frames that they are of, and drawn into them.

    frames ─ resultjoin ─┬─ (boxes) ─ encoder
    results of a worker ─┘

A worker that is gone, stuck or wrong costs its results. A reader of results that fails is taken out and made anew later.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402

from ..result_sender import results_path  # noqa: E402
from ..untrusted import clean  # noqa: E402
from .config import Recording, RecordingError  # noqa: E402
from .reel import Seen, picture_size  # noqa: E402

AGAIN, NEXT = 10.0, 1.0  # seconds after which a reader of results that failed, or whose stream ended, is made anew
REMEMBERED = 1024  # frames
MOST_SEEN = 300  # objects of one frame; further ones are left out
MOST_LABEL = 63  # characters
LINE, TEXT = 2.0, 14.0  # pixels
COLOURS = {"person": (0.31, 0.86, 0.31), "motion": (1.0, 0.63, 0.16), "flow": (0.24, 0.78, 1.0)}  # red, green, blue
OTHER = (0.9, 0.9, 0.9)


def launch(recording: Recording) -> str:
    """Part of the launch line between the ring and the encoder."""
    if not recording.objects:
        return ""
    join = f"resultjoin name=join mode=exact max-wait={round(recording.wait * Gst.SECOND)} ! "
    return join + ("videoconvert ! video/x-raw,format=BGRx ! cairooverlay name=boxes ! " if recording.boxes else "")


def check(recording: Recording) -> None:
    """RecordingError if something is missing for it."""
    if recording.objects and not Gst.ElementFactory.find("resultjoin"):
        raise RecordingError("[recorder]: objects: the element resultjoin is not there; see gst-inspect-1.0 resultjoin")
    if recording.boxes:
        if not Gst.ElementFactory.find("cairooverlay"):
            raise RecordingError("[recorder]: boxes = true: the element cairooverlay is not there; install gstreamer1.0-plugins-good")
        try:
            gi.require_foreign("cairo")
        except ImportError as error:
            raise RecordingError("[recorder]: boxes = true: Python cannot draw with cairo; install python3-gi-cairo") from error


class Objects:
    """`on_trouble` gets a sentence."""

    def __init__(self, pipeline: Gst.Pipeline, socket: str, reader: str, workers: tuple[str, ...],
                 on_trouble: Callable[[str], object]):
        self._pipeline = pipeline
        self._reader = reader
        self._on_trouble = on_trouble
        self._join = pipeline.get_by_name("join")
        self._join.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._joined)
        if boxes := pipeline.get_by_name("boxes"):
            boxes.connect("draw", self._draw)
        self._branches = {worker: _Branch(str(results_path(socket, worker))) for worker in workers}
        self._seen: dict[int, tuple[tuple[Seen, ...], Gst.Caps]] = {}  # by the frame's time, until it is encoded; caps of the frame

    def take(self, pts: int, caps: Gst.Caps) -> tuple[Seen, ...] | None:
        """Objects of the frame of that time, in pixels of a picture with these caps; None: no result of it came. A frame is asked for
        once."""
        seen, own = self._seen.pop(pts, (None, None))
        if not seen or picture_size(own) == picture_size(caps):
            return seen
        across, down = (to / of for to, of in zip(picture_size(caps), picture_size(own)))
        return tuple(replace(one, box=(one.box[0] * across, one.box[1] * down, one.box[2] * across, one.box[3] * down)) for one in seen)

    def failed(self, element: Gst.Object, error: str) -> bool:
        """Tells whether the error is one of the results, which the frames do without."""
        for worker, branch in self._branches.items():
            if element is branch.former:  # a source says twice why it ends
                return True
            if branch.source and element in (branch.source, branch.pad):
                self._remove(branch, branch.source, AGAIN)
                if branch.told != error:  # it may stay so for ever
                    branch.told = error
                    self._on_trouble(f"the results of {worker} cannot be read: {error}")
                return True
        return False

    def look(self) -> None:
        """Now and then, while the pipeline plays: its start must not depend on the results."""
        for branch in self._branches.values():
            if branch.source and branch.ended:
                self._remove(branch, branch.source, NEXT)
            if branch.source is None and time.monotonic() >= branch.due:
                self._add(branch)

    def _add(self, branch: "_Branch") -> None:
        branch.begin()
        source = branch.source = Gst.ElementFactory.make("shmringsrc")
        source.set_property("socket-path", branch.path)
        source.set_property("worker", self._reader)
        Gst.util_set_object_arg(source, "drop-policy", "drop-oldest")
        self._pipeline.add(source)
        branch.pad = self._join.request_pad_simple("results_%u")
        output = source.get_static_pad("src")
        output.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, branch.watch)
        output.link(branch.pad)
        source.sync_state_with_parent()

    def _remove(self, branch: "_Branch", source: Gst.Element, pause: float) -> None:
        source.set_state(Gst.State.NULL)
        self._pipeline.remove(source)
        self._join.release_request_pad(branch.pad)
        branch.former, branch.source, branch.pad = source, None, None
        branch.due = time.monotonic() + pause

    def _joined(self, pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        buffer = info.get_buffer()
        answers = [branch.answered() for branch in self._branches.values()]
        if any(answers):
            self._seen[buffer.pts] = seen_in(buffer), pad.get_current_caps()
            while len(self._seen) > REMEMBERED:
                self._seen.pop(next(iter(self._seen)), None)
        return Gst.PadProbeReturn.OK

    def _draw(self, _overlay, context, pts: int, _duration: int) -> None:
        for seen in self._seen.get(pts, ((), None))[0]:
            draw(context, seen)


class _Branch:
    """The results of one worker."""

    def __init__(self, path: str):
        self.path = path
        self.source: Gst.Element | None = None
        self.pad: Gst.Pad | None = None
        self.former: Gst.Element | None = None  # the source before
        self.due = 0.0  # monotonic seconds
        self.told = ""  # why it could not be read the last time
        self.ended = False  # its worker ended the stream: the next one begins another
        self._answers = 0

    def begin(self) -> None:
        self.ended = False
        self._answers = 0

    def answered(self) -> bool:
        """Tells whether the frame that has just left the join had a result of this worker; one that found nothing leaves no trace on
        it."""
        pad = self.pad
        if pad is None:
            return False
        stats = pad.get_property("stats")
        before, self._answers = self._answers, stats.get_uint64("frames")[1] - stats.get_uint64("missing")[1]
        return self._answers > before

    def watch(self, _pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        self.ended |= info.get_event().type == Gst.EventType.EOS
        return Gst.PadProbeReturn.OK


def seen_in(buffer: Gst.Buffer) -> tuple[Seen, ...]:
    """What resultjoin attached: regions that have a detection, with numbers from 1 on."""
    count = min(MOST_SEEN, buffer.get_n_meta(GstVideo.video_region_of_interest_meta_api_get_type()))
    found = []
    for number in range(1, count + 1):
        region = GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, number)
        detection = region.get_param("detection") if region else None
        if detection is None:
            continue
        has_score, score = detection.get_double("score")
        has_track, track = detection.get_int64("track")
        found.append(Seen(clean(detection.get_string("worker") or "", MOST_LABEL), clean(detection.get_string("label") or "", MOST_LABEL),
                          score if has_score else 0.0, (region.x, region.y, region.w, region.h), track if has_track else None))
    return tuple(found)


def draw(context, seen: Seen) -> None:
    """A frame around it, in the colour of its label, and what it is, readable on light and on dark."""
    left, top, width, height = seen.box
    colour = COLOURS.get(seen.label, OTHER)
    context.set_source_rgb(*colour)
    context.set_line_width(LINE)
    context.rectangle(left, top, width, height)
    context.stroke()
    context.set_font_size(TEXT)
    text = f"{seen.label} {seen.score:.2f}" + ("" if seen.track is None else f" #{seen.track}")
    for ink in ((0, 0, 0), colour):
        offset = 0 if ink == colour else 1
        context.set_source_rgb(*ink)
        context.move_to(left + offset, max(TEXT, top - 4) + offset)
        context.show_text(text)
