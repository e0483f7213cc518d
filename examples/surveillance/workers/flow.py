# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dense optical flow on every pixel, there and back, and what moves fast in it: heavy, and best effort."""

import cv2
import numpy as np

from ..album import Detection
from ..worker import run


class Flow:
    def __init__(self, least_speed: float = 3.0, least_area: float = 0.001, most_error: float = 1.5):
        self._flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: np.ndarray | None = None
        self._least_speed = least_speed  # pixels between the two frames looked at
        self._least_area = least_area
        self._most_error = most_error
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))

    def look(self, image: np.ndarray):
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        before, self._before = self._before, grey
        if before is None or before.shape != grey.shape:
            return [], None
        there, back = self._flow.calc(grey, before, None), self._flow.calc(before, grey, None)
        speed, direction = cv2.cartToPolar(-there[..., 0], -there[..., 1])
        speed[self._error(there, back) > self._most_error] = 0  # a flow that does not lead back is a guess
        fast = cv2.morphologyEx((speed > self._least_speed).astype(np.uint8), cv2.MORPH_CLOSE, self._kernel)
        count, _, stats, _ = cv2.connectedComponentsWithStats(fast)
        detections = []
        for left, top, width, height, area in stats[1:count]:
            if area >= self._least_area * grey.size:
                part = speed[top:top + height, left:left + width]
                detections.append(Detection((int(left), int(top), int(width), int(height)), "flow",
                                            float(part[part > 0].mean())))
        return detections, _paint(image, speed, direction)

    @staticmethod
    def _error(there: np.ndarray, back: np.ndarray) -> np.ndarray:
        rows, columns = np.indices(there.shape[:2], dtype=np.float32)
        returned = cv2.remap(back, columns + there[..., 0], rows + there[..., 1], cv2.INTER_LINEAR)
        return np.linalg.norm(there + returned, axis=2)


def _paint(image: np.ndarray, speed: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Direction as hue, speed as brightness, over the darkened frame."""
    hue = np.empty_like(image)
    hue[..., 0] = direction * (90 / np.pi)
    hue[..., 1] = 255
    hue[..., 2] = np.minimum(speed * 16, 255)
    return cv2.addWeighted(image, 0.5, cv2.cvtColor(hue, cv2.COLOR_HSV2BGR), 0.9, 0)


if __name__ == "__main__":
    run(Flow())
