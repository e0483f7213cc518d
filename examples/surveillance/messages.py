# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lines of children as plain values: from_worker() and from_capture() take what came and raise for whatever is not right."""

from dataclasses import dataclass

from .policy import STATES
from .untrusted import COUNT, Fields, Refused, is_number

MOST_FOUND = 10**6  # in one frame
MOST_BOXES = 32  # of one trigger; more are left out
MOST_LANES = 256  # also those of readers that are gone
NAME = 63  # characters
MOST_SECONDS = 1e6
# Fields of a report that metrics and page calculate with.
NUMBERS = frozenset({"age", "segments", "bytes", "free", "clips", "clips_bytes", "clips_free", "frames_written", "frames_lost",
                     "held_bytes", "triggers", "clips_written", "clips_failed", "clips_refused"})


@dataclass(frozen=True, slots=True)
class Frame:
    """A worker is done with a frame."""

    found: int = 0
    age: float = 0.0  # s, publish to take
    work: float = 0.0  # s, take to done
    alone: int = 0  # frames missed while it was free

    @classmethod
    def of(cls, fields: Fields) -> "Frame":
        return cls(fields.whole("found", 0, high=MOST_FOUND), max(0.0, fields.number("age", 0.0, low=-1.0, high=MOST_SECONDS)),
                   fields.number("work", 0.0, high=MOST_SECONDS), fields.whole("alone", 0))


@dataclass(frozen=True, slots=True)
class Report:
    """State of a worker, in its own words and numbers."""

    values: dict

    @classmethod
    def of(cls, fields: Fields) -> "Report":
        for key in NUMBERS:
            if fields.has(key):
                fields.number(key, low=-COUNT, high=COUNT)
        values = fields.scalars()
        del values["kind"]
        return cls(values)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A worker saw something worth keeping."""

    label: str
    seq: int = 0  # of the frame; 0: not known
    found: int = 0
    boxes: tuple[tuple[int, ...], ...] = ()
    time: float | None = None  # monotonic seconds
    worker: str = ""  # the manager says it to the recorder

    @classmethod
    def of(cls, fields: Fields) -> "Trigger":
        boxes = tuple(_box(box) for box in fields.entries("boxes", COUNT, [])[:MOST_BOXES])
        return cls(fields.text("label", "", NAME), fields.whole("seq", 0), fields.whole("found", len(boxes), high=MOST_FOUND),
                   boxes, fields.number("time", low=-1e12) if fields.has("time") else None, fields.text("worker", "", NAME))

    def fields(self) -> dict:
        return {"label": self.label, "seq": self.seq, "found": self.found, "boxes": self.boxes} | (
            {} if self.time is None else {"time": self.time})


@dataclass(frozen=True, slots=True)
class Bye:
    """It ends by itself."""

    lost: int = 0  # lines that it could not send

    @classmethod
    def of(cls, fields: Fields) -> "Bye":
        return cls(fields.whole("lost", 0))


@dataclass(frozen=True, slots=True)
class Said:
    """Something for people."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    """The publisher's books on one reader or one branch."""

    worker: str
    generation: int
    offered: int
    delivered: int
    dropped: int
    pending: int
    ages: dict[int, float]  # percent → seconds; nothing where they are not measured
    state: str = ""  # "": not told
    reason: str = ""
    is_active: bool = False
    pid: int = 0

    @classmethod
    def of(cls, fields: Fields) -> "Lane":
        ages = {percent: fields.whole(f"age-p{percent}", 0) * 1e-9 for percent in (50, 99)}
        return cls(fields.text("worker", most=NAME), fields.whole("generation"), fields.whole("offered"), fields.whole("delivered"),
                   fields.whole("dropped"), fields.whole("pending"), {percent: age for percent, age in ages.items() if age},
                   fields.choice("state", STATES, ""), fields.text("reason", ""), fields.text("reader-state", "") == "active",
                   fields.whole("pid", 0, low=-1))


@dataclass(frozen=True, slots=True)
class Stats:
    """All books of a capture process."""

    ring: dict
    supply: dict
    lanes: tuple[Lane, ...]
    branches: tuple[Lane, ...]  # the recorder in the capture process is one of them
    last: bool = False  # it ends: no sign of life

    @classmethod
    def of(cls, fields: Fields) -> "Stats":
        ring, supply = fields.table("ring"), fields.table("supply")
        for name in ("dropped-no-slot", "slots", "free-slots", "owned", "loaned"):
            ring.whole(name)
        for name in ("received", "published", "mailbox-drops"):
            supply.whole(name)
        branches = supply.tables("branches", MOST_LANES) + ([fields.table("recorder")] if fields.has("recorder") else [])
        return cls(ring.scalars(nested=True), supply.scalars(nested=True), tuple(map(Lane.of, ring.tables("accounts", MOST_LANES))),
                   tuple(map(Lane.of, branches)), fields.flag("last", False))


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a reader or branch changed."""

    worker: str
    state: str
    before: str
    reason: str

    @classmethod
    def of(cls, fields: Fields) -> "Health":
        return cls(fields.text("worker", most=NAME), fields.choice("state", STATES), fields.text("previous-state", most=NAME),
                   fields.text("reason", ""))


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings that the manager sends to capture: which worker may drop and be late how much."""

    workers: dict[str, tuple[float, float]]  # share of the frames, seconds

    @classmethod
    def of(cls, fields: Fields) -> "Limits":
        return cls({name: (limits.number("drop_rate", high=1.0), limits.number("frame_age", high=MOST_SECONDS))
                    for name, limits in fields.table("workers").named(MOST_LANES).items()})


def from_worker(message: dict) -> Frame | Report | Trigger | Bye | Said:
    return _from(message, {"frame": Frame, "report": Report, "event": Trigger, "bye": Bye}, ("warning", "error", "clip"))


def from_capture(message: dict) -> Stats | Health | Said:
    return _from(message, {"stats": Stats, "health": Health}, ("warning", "error"))


def to_capture(message: dict) -> Limits:
    return _from(message, {"limits": Limits})


def to_recorder(message: dict) -> Trigger:
    return _from(message, {"event": Trigger})


def _from(message: dict, known: dict, said: tuple[str, ...] = ()):
    kind = Fields("a line", message).choice("kind", (*known, *said))
    fields = Fields(kind, message)
    return Said(kind, fields.text("text", "")) if kind in said else known[kind].of(fields)


def _box(box) -> tuple[int, ...]:
    if not isinstance(box, list) or len(box) != 4 or not all(is_number(edge, -10**6, 10**6) for edge in box):
        raise Refused("event: a box has four numbers: left, top, width, height")
    return tuple(map(int, box))
