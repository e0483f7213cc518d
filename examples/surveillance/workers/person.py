# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds people with OpenCV's HOG detector: real, and slower than the camera, so it lives on the newest frame."""

import cv2
import numpy as np

from ..album import Detection
from ..trigger import Trigger
from ..worker import run


class Person:
    def __init__(self, least_score: float = 0.5):
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
        self._least_score = least_score
        self.trigger = Trigger("person")

    def look(self, image: np.ndarray):
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        boxes, scores = self._hog.detectMultiScale(grey, hitThreshold=0.1, winStride=(8, 8), padding=(8, 8), scale=1.1)
        found = [(_figure(*box), float(score)) for box, score in zip(boxes, np.ravel(scores))]
        if not found:
            return [], None
        kept = cv2.dnn.NMSBoxes([box for box, _ in found], [score for _, score in found], self._least_score, 0.3)
        return [Detection(found[index][0], "person", found[index][1]) for index in np.ravel(kept)], None


def _figure(left, top, width, height) -> tuple[int, int, int, int]:
    """The detector was taught with a margin around each person: the box without it."""
    return int(left + 0.18 * width), int(top + 0.07 * height), int(0.64 * width), int(0.84 * height)


if __name__ == "__main__":
    run(Person())
