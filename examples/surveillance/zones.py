# SPDX-License-Identifier: LGPL-2.1-or-later
"""Zones of a camera's picture, and what enters, stays in and leaves them. Pure: told where things are, it answers with what happened.

A thing is where it stands: at the middle of its box's lower edge. It is in a zone, or no longer, once STEADY results in a row say so.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .untrusted import is_number, short

MOST_ZONES = 32  # of a camera
MOST_POINTS = 64
MOST_LABELS = 64
MOST_THINGS = 64  # of a result
MOST_STAYS = 256  # of a worker's things in zones
DAY = 86400.0  # s
STEADY = 2  # results
GONE = 2.0  # s without a sign of it, and GONE_AFTER results: it has left
GONE_AFTER = 3
SILENT = 10.0  # s without any result: all have left

Point = tuple[float, float]


class ZoneError(ValueError):
    pass


@dataclass(frozen=True)
class Zone:
    name: str
    points: tuple[Point, ...]  # of the polygon: shares of the picture's width and height
    labels: tuple[str, ...] = ()  # none: all
    workers: tuple[str, ...] = ()
    dwell: float = 0.0  # s; 0: how long something stays is no event

    def has(self, x: float, y: float) -> bool:
        """By the edges that a ray to the right crosses."""
        inside = False
        for (left, top), (right, bottom) in _edges(self.points):
            if (top > y) != (bottom > y) and x < left + (y - top) / (bottom - top) * (right - left):
                inside = not inside
        return inside

    def takes(self, worker: str, label: str) -> bool:
        return (not self.workers or worker in self.workers) and (not self.labels or label in self.labels)


@dataclass(frozen=True)
class Thing:
    track: int
    label: str
    x: float  # where it stands, as a zone's points
    y: float


@dataclass(frozen=True)
class Crossing:
    kind: str  # enter, dwell, leave
    zone: str
    label: str
    track: int
    seconds: float = 0.0  # that it was in the zone

    def __str__(self) -> str:
        if self.kind == "enter":
            return f"{self.label} {self.track} entered {self.zone}"
        how = "has been in" if self.kind == "dwell" else "left"
        return f"{self.label} {self.track} {how} {self.zone} " + ("for" if self.kind == "dwell" else "after") + f" {self.seconds:.1f} s"


@dataclass
class _Stay:
    label: str
    seen_at: float
    entered_at: float = 0.0
    is_inside: bool = False
    changes: int = 0  # results in a row that say otherwise
    missed: int = 0  # results in a row without it
    dwelt: bool = False


@dataclass
class Presence:
    """What one worker's results say of the zones of its camera."""

    worker: str
    zones: tuple[Zone, ...]
    _stays: dict[tuple[str, int], _Stay] = field(default_factory=dict)
    _heard_at: float = 0.0

    def update(self, things: Sequence[Thing], now: float) -> list[Crossing]:
        """After one more result, at monotonic seconds."""
        self._heard_at = now
        for stay in self._stays.values():
            stay.missed += 1
        found = [crossing for thing in things[:MOST_THINGS] for zone in self.zones if zone.takes(self.worker, thing.label)
                 for crossing in self._look(zone, thing, now)]
        return found + self._leave([key for key, stay in self._stays.items()
                                    if stay.missed >= GONE_AFTER and now - stay.seen_at > GONE])

    def silent(self, now: float) -> list[Crossing]:
        """Now and then: a worker that tells nothing sees nothing."""
        return self.end() if now - self._heard_at > SILENT else []

    def end(self) -> list[Crossing]:
        """Its tracks mean nothing from now on."""
        return self._leave(list(self._stays))

    def change(self, zones: tuple[Zone, ...]) -> list[Crossing]:
        """The file was read again: a zone that is the same goes on."""
        gone = {zone.name for zone in self.zones if zone not in zones}
        self.zones = zones
        return self._leave([key for key in self._stays if key[0] in gone])

    def inside(self, zone: str) -> int:
        return sum(stay.is_inside for (name, _), stay in self._stays.items() if name == zone)

    def _look(self, zone: Zone, thing: Thing, now: float) -> Iterable[Crossing]:
        key, is_there = (zone.name, thing.track), zone.has(thing.x, thing.y)
        stay = self._stays.get(key)
        if stay is None:
            if not is_there or len(self._stays) >= MOST_STAYS:
                return
            stay = self._stays[key] = _Stay(thing.label, now)
        stay.seen_at, stay.missed = now, 0
        stay.changes = 0 if is_there == stay.is_inside else stay.changes + 1
        if not is_there and not stay.is_inside:  # it only touched the zone
            del self._stays[key]
        elif stay.changes == STEADY and is_there:
            stay.is_inside, stay.changes, stay.entered_at = True, 0, now
            yield Crossing("enter", zone.name, stay.label, thing.track)
        elif stay.changes == STEADY:
            yield from self._leave([key])
        elif zone.dwell and stay.is_inside and not stay.dwelt and now - stay.entered_at >= zone.dwell:
            stay.dwelt = True
            yield Crossing("dwell", zone.name, stay.label, thing.track, now - stay.entered_at)

    def _leave(self, keys: list[tuple[str, int]]) -> list[Crossing]:
        stays = [(key, self._stays.pop(key)) for key in keys]
        return [Crossing("leave", name, stay.label, track, stay.seen_at - stay.entered_at)
                for (name, track), stay in stays if stay.is_inside]


def parse(tables: list[dict], where: str, workers: Iterable[str]) -> tuple[Zone, ...]:
    """Raises ZoneError with a sentence."""
    if len(tables) > MOST_ZONES:
        raise ZoneError(f"{where}: {len(tables)} [[zone]], at most {MOST_ZONES} are possible")
    zones = tuple(_zone(dict(table), where, set(workers)) for table in tables)
    names = [zone.name for zone in zones]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ZoneError(f"{where}: two zones are called {twice!r}")
    return zones


def _zone(table: dict, where: str, workers: set[str]) -> Zone:
    name = table.pop("name", "")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,31}", name):
        raise ZoneError(f"{where}, zone {short(name)}: a name of 1 to 32 letters, digits, '_', '-', '.' and ' ' is needed")
    where = f"{where}, zone {name!r}"
    points = _points(table.pop("points", None), where)
    labels, watching = (_texts(table.pop(key, []), f"{where}: {key}") for key in ("labels", "workers"))
    if unknown := [worker for worker in watching if worker not in workers]:
        raise ZoneError(f"{where}: workers names {short(unknown[0])}, which is no worker of this camera")
    dwell = table.pop("dwell", 0.0)
    if not is_number(dwell, 0.0, DAY):
        raise ZoneError(f"{where}: dwell = {short(dwell)}: seconds are needed, at most {DAY:.0f}; 0 is never")
    if table:
        raise ZoneError(f"{where}: unknown key {short(sorted(table)[0])}")
    return Zone(name, points, labels, watching, float(dwell))


def _points(value, where: str) -> tuple[Point, ...]:
    if not isinstance(value, list) or not 3 <= len(value) <= MOST_POINTS:
        raise ZoneError(f"{where}: points: a list of 3 to {MOST_POINTS} points [x, y] is needed")
    for point in value:
        if not isinstance(point, list) or len(point) != 2 or not all(is_number(share, 0.0, 1.0) for share in point):
            raise ZoneError(f"{where}: point {short(point)}: [x, y] is needed, shares of the picture's width and height of 0 to 1")
    points = tuple((float(x), float(y)) for x, y in value)
    edges = list(_edges(points))
    if twice := next((begin for begin, end in edges if begin == end), None):
        raise ZoneError(f"{where}: point {list(twice)} stands twice in a row" + (
            ", first and last: leave the last out, a zone closes by itself" if points[0] == points[-1] else ""))
    for index, edge in enumerate(edges):
        for other in range(index + 2, len(edges) - (index == 0)):  # neighbours share a point
            if _cross(edge, edges[other]):
                raise ZoneError(f"{where}: the edges from point {index + 1} and from point {other + 1} cross: name the points in their "
                                "order around the zone")
    if abs(sum(left * bottom - right * top for (left, top), (right, bottom) in edges)) < 1e-6:
        raise ZoneError(f"{where}: its points lie on one line")
    return points


def _texts(value, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_LABELS or not all(isinstance(text, str) and text for text in value):
        raise ZoneError(f"{what} = {short(value)}: a list of at most {MOST_LABELS} names is needed")
    return tuple(value)


def _edges(points: Sequence[Point]) -> Iterable[tuple[Point, Point]]:
    return zip(points, (*points[1:], points[0]))


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Each has its ends on both sides of the other, or one touches the other with an end."""
    def side(edge, point):
        (left, top), (right, bottom) = edge
        turn = (right - left) * (point[1] - top) - (bottom - top) * (point[0] - left)
        return (turn > 1e-9) - (turn < -1e-9)

    def within(edge, point):
        return all(min(a, b) <= c <= max(a, b) for a, b, c in zip(*edge, point))
    sides = [side(one, other[0]), side(one, other[1]), side(other, one[0]), side(other, one[1])]
    if sides[0] != sides[1] and sides[2] != sides[3]:
        return True
    return any(turn == 0 and within(edge, point) for turn, edge, point in
               zip(sides, (one, one, other, other), (*other, *one)))
