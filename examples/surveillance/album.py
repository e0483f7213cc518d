# SPDX-License-Identifier: LGPL-2.1-or-later
"""A worker's best annotated pictures, one a stretch of time, and the newest one without boxes: each overwritten, so the folder never grows."""

import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from . import files
from .jpeg import with_sequence

PAGES = 12
NEWEST_EVERY = 1.0  # s
NEWEST_WIDTH = 640  # pixels at most: it is shown on a page
COLOURS = {"person": (80, 220, 80), "motion": (40, 160, 255), "flow": (255, 200, 60)}


@dataclass(frozen=True)
class Detection:
    box: tuple[int, int, int, int]  # left, top, width, height
    label: str
    score: float
    track: int | None = None  # the same for the same thing in the next frames; the loop of the worker gives it


class Album:
    def __init__(self, name: str, folder: str | None, every: float, clock=time.monotonic):
        self._name = name
        self._folder = Path(folder) if folder else None
        self._every = every
        self._clock = clock
        self._stretch = -1
        self._best = 0.0
        self._newest_at = -NEWEST_EVERY

    def offer(self, image: np.ndarray, detections: list[Detection]) -> bool:
        """Keeps the picture if it is the best one of its stretch: most sure of the most things. True if it was kept."""
        if self._folder is None or not detections:
            return False
        stretch = int(self._clock() / self._every)
        worth = sum(detection.score for detection in detections)
        if stretch == self._stretch and worth <= self._best:
            return False
        self._stretch, self._best = stretch, worth
        return _write(self._folder / f"{self._name}-{stretch % PAGES:02}.jpg", annotate(image, detections))

    def show(self, image: np.ndarray, sequence: int) -> bool:
        """Keeps the picture of that frame as the newest one, once a second. True if it was kept. The page draws the boxes."""
        now = self._clock()
        if self._folder is None or now - self._newest_at < NEWEST_EVERY:
            return False
        self._newest_at = now
        if (scale := NEWEST_WIDTH / image.shape[1]) < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return _write(self._folder / f"{self._name}.jpg", image, sequence)


def _write(path: Path, picture: np.ndarray, sequence: int = 0) -> bool:
    """A viewer sees the picture before or this one, never half of one. A disk that takes nothing costs a picture only."""
    try:
        content = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()
        files.replace(path, with_sequence(content, sequence))
        return True
    except OSError:
        return False


def annotate(image: np.ndarray, detections: list[Detection]) -> np.ndarray:
    picture = image.copy()  # the frame is everybody's, and read-only
    for detection in detections:
        left, top, width, height = detection.box
        colour = COLOURS.get(detection.label, (230, 230, 230))
        cv2.rectangle(picture, (left, top), (left + width, top + height), colour, 2)
        for ink, thickness in (((0, 0, 0), 4), (colour, 2)):  # readable on light and on dark
            cv2.putText(picture, f"{detection.score:.1f}", (left, max(top - 6, 16)), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink,
                        thickness, cv2.LINE_AA)
    return picture
