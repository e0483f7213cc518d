# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables [recorder] and [clips] of the system's file, made into plain values, with a sentence for what is wrong."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from ..policy import Level
from ..untrusted import is_number, is_whole, short

SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
MOST_SIZE = 10**18  # bytes
MOST_SECONDS = 100 * 366 * 86400.0
MOST_TEXT = 4096  # characters
TIMES = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

# Less work than JPEG, and a twentieth of the disk; a key frame every 20 frames, so a clip begins at most 20 frames early.
ENCODE = "videoconvert ! openh264enc complexity=low bitrate=1000000 gop-size=20 ! h264parse"


class RecordingError(ValueError):
    pass


@dataclass(frozen=True)
class Limits:
    """Limits of a folder on its disk. The oldest is deleted first."""

    size: int  # bytes
    age: float  # seconds
    keep_free: int  # bytes that stay free on the disk; never 0, or nothing would be deleted when it is full


@dataclass(frozen=True)
class Clips:
    folder: str
    limits: Limits
    before: float  # seconds kept before a trigger
    after: float
    longest: float  # seconds: the end of a clip that ever new triggers extend
    late: float  # seconds that a trigger may come after its frame; a clip stays open as long
    per_hour: int  # new clips; what is beyond is refused and counted


@dataclass(frozen=True)
class Recording:
    folder: str
    limits: Limits
    segment: float  # seconds; 0: nothing but clips is kept
    encode: str  # part of a launch line: raw video to what Matroska takes
    memory: int  # bytes of encoded frames that wait for the disk or for a trigger
    depth: int  # frames that may wait in the ring
    level: Level
    restarts: int  # within the window
    nice: int
    clips: Clips | None
    objects: tuple[str, ...] = ()  # workers whose results are kept with the frames; none: nothing waits for results
    boxes: bool = False  # the objects are drawn into the frames
    wait: float = 0.5  # seconds that a frame waits for its results


def parse(recorder: dict | None, clips: dict | None, workers: Iterable[str] = ()) -> Recording:
    """None where the file has no such table: without [recorder] there are no segments. `workers`: names of the camera's."""
    table = _Table("[recorder]", {"segment": 0} if recorder is None else recorder)
    parsed = _clips(clips) if clips is not None else None
    level = table.level("level", Level.HIGH)
    recording = Recording(
        table.folder("segments"),
        table.limits("10 GB", "7 d", "1 GB"),
        table.seconds("segment", "5 min", low=0.0),
        table.text("encode", ENCODE),
        table.size("memory", "64 MB", low=10**6),
        table.whole("depth", 8, low=1, high=256),
        level,
        table.whole("restarts", level.restarts, low=0, high=10_000),
        table.whole("nice", 0, low=0, high=19),
        parsed,
        table.workers("objects", tuple(workers)),
        table.flag("boxes", False),
        table.seconds("wait", "500 ms", low=0.001, high=60.0),
    )
    table.nothing_left()
    if recording.boxes and not recording.objects:
        raise RecordingError("[recorder]: boxes = true: `objects` must say whose, a list of workers or true for all")
    if recording.segment == 0 and parsed is None:
        raise RecordingError("neither segments ([recorder], segment above 0) nor [clips]: there is nothing to record")
    if parsed and recording.segment and PurePath(parsed.folder) == PurePath(recording.folder):
        raise RecordingError("[recorder] and [clips] have the same folder: each deletes by its own limits")
    return recording


def _clips(given: dict) -> Clips:
    table = _Table("[clips]", given)
    clips = Clips(
        table.folder("clips"),
        table.limits("2 GB", "30 d", "200 MB"),
        table.seconds("before", "5 s", low=0.0),
        table.seconds("after", "5 s", low=0.0),
        table.seconds("longest", "60 s", low=0.5),
        table.seconds("late", "5 s", low=0.0),
        table.whole("per-hour", 60, low=1, high=10**6),
    )
    table.nothing_left()
    if clips.before + clips.after > clips.longest:
        raise RecordingError("[clips]: longest is shorter than before and after together")
    return clips


class _Table:
    def __init__(self, name: str, entries: dict):
        if not isinstance(entries, dict):
            raise RecordingError(f"{name} must be a table")
        self._name = name
        self._left = dict(entries)

    def limits(self, size: str, age: str, keep_free: str) -> Limits:
        return Limits(self.size("max-size", size, low=10**6), self.seconds("max-age", age, low=1.0),
                      self.size("keep-free", keep_free, low=10**6))

    def text(self, key: str, default: str) -> str:
        value = self._left.pop(key, default)
        if not isinstance(value, str) or not value.strip() or len(value) > MOST_TEXT or "\0" in value:
            raise self._wrong(key, value, f"a text of at most {MOST_TEXT} characters is needed")
        return value

    def folder(self, default: str) -> str:
        value = self.text("folder", default)
        if ".." in PurePath(value).parts:
            raise self._wrong("folder", value, "a folder below the output folder, or an absolute path")
        return value

    def level(self, key: str, default: Level) -> Level:
        value = self._left.pop(key, default.value)
        if value not in [known.value for known in Level]:
            raise self._wrong(key, value, f"one of {', '.join(known.value for known in Level)}")
        return Level(value)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        value = self._left.pop(key, default)
        if not is_whole(value, low, high):
            raise self._wrong(key, value, f"a whole number of at least {low}, and at most {high}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._left.pop(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false is needed")
        return value

    def workers(self, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
        """A list of workers, or true for all."""
        value = self._left.pop(key, False)
        if isinstance(value, bool):
            return known if value else ()
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value) or len(set(value)) != len(value):
            raise self._wrong(key, value, "a list of workers, each once, or true for all of the camera")
        if unknown := [name for name in value if name not in known]:
            raise self._wrong(key, unknown[0], f"no worker of the camera is called so, but {', '.join(map(short, known)) or 'it has none'}")
        return tuple(value)

    def size(self, key: str, default: str, low: int) -> int:
        return int(self._measure(key, default, low, MOST_SIZE, SIZES, "bytes, or a text such as \"20 GB\""))

    def seconds(self, key: str, default: str, low: float, high: float = MOST_SECONDS) -> float:
        return float(self._measure(key, default, low, high, TIMES, "seconds, or a text such as \"5 min\""))

    def nothing_left(self) -> None:
        if self._left:
            raise RecordingError(f"{self._name}: unknown key {short(sorted(self._left)[0])}")

    def _measure(self, key: str, default: str, low: float, high: float, units: dict, wanted: str) -> float:
        value = measured = self._left.pop(key, default)
        if isinstance(value, str):
            match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", value.strip())
            measured = float(match[1]) * units[match[2]] if match and match[2] in units else None
        if not is_number(measured, low, high):
            known = ", ".join(units)
            raise self._wrong(key, value, f"{wanted} (units: {known}), at least {low:g}, and at most {high:g}")
        return measured

    def _wrong(self, key: str, value, wanted: str) -> RecordingError:
        return RecordingError(f"{self._name}: {key} = {short(value)}: {wanted}")
