# SPDX-License-Identifier: LGPL-2.1-or-later
"""Numbers for what is found, so that the same thing keeps its number from frame to frame. Pure: boxes in, numbers out.

A box belongs to the track of its label whose box overlaps it most, where it was or where its speed has brought it by now. A track that is
not seen lives on for `gap` seconds, and for MISSED frames where frames are rare.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .album import Detection

MOST = 32  # detections of a frame that are tracked; the surest ones
MISSED = 3  # frames without it in a row
STEADY = 0.5  # share that the newest step has in the speed

Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass
class _Track:
    number: int
    label: str
    box: Box
    seen_at: float
    speed: tuple[float, float] = (0.0, 0.0)  # of the centre, pixels a second
    missed: int = 0

    def overlap(self, box: Box, at: float) -> float:
        passed = at - self.seen_at
        left, top, width, height = self.box
        return max(overlap(self.box, box), overlap((left + self.speed[0] * passed, top + self.speed[1] * passed, width, height), box))

    def saw(self, box: Box, at: float) -> None:
        if (passed := at - self.seen_at) > 0:
            step = [(new - old) / passed for new, old in zip(_centre(box), _centre(self.box))]
            self.speed = (self.speed[0] + STEADY * (step[0] - self.speed[0]), self.speed[1] + STEADY * (step[1] - self.speed[1]))
        self.box, self.seen_at, self.missed = box, at, 0


class Tracker:
    def __init__(self, least_overlap: float = 0.3, gap: float = 1.0):
        self._least_overlap = least_overlap
        self._gap = gap
        self._tracks: list[_Track] = []
        self._next = 1

    def follow(self, detections: Sequence[Detection], at: float) -> list[Detection]:
        """The same detections with their tracks. `at`: seconds of the frame's clock, which does not go back."""
        surest = sorted(range(len(detections)), key=lambda index: -detections[index].score)[:MOST]
        pairs = sorted(((track.overlap(detections[index].box, at), track.number, index)
                        for track in self._tracks for index in surest if track.label == detections[index].label), reverse=True)
        tracks = {track.number: track for track in self._tracks}
        numbers: dict[int, int] = {}
        for share, number, index in pairs:
            if share < self._least_overlap:
                break
            if number in tracks and index not in numbers:
                numbers[index] = number
                tracks.pop(number).saw(detections[index].box, at)
        for track in tracks.values():  # those that nothing was found for
            track.missed += 1
        self._tracks = [track for track in self._tracks if track.missed <= MISSED or at - track.seen_at <= self._gap]
        for index in surest:
            if index not in numbers:
                numbers[index] = self._next
                self._tracks.append(_Track(self._next, detections[index].label, detections[index].box, at))
                self._next += 1
        self._tracks = self._tracks[-3 * MOST:]
        return [replace(detection, track=numbers.get(index)) for index, detection in enumerate(detections)]


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _centre(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2
