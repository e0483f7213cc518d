# SPDX-License-Identifier: LGPL-2.1-or-later
"""When detections are worth an event: not for a single lucky guess, and not for each frame of the same thing."""

import time
from collections import deque
from collections.abc import Callable


class Trigger:
    """Fires if something was found in `least` of the newest `of` frames, and at most once in `every` seconds while it lasts."""

    def __init__(self, label: str, least: int = 2, of: int = 3, every: float = 2.0,
                 clock: Callable[[], float] = time.monotonic):
        self.label = label
        self._least = least
        self._every = every
        self._clock = clock
        self._newest: deque[bool] = deque(maxlen=of)
        self._fired_at = float("-inf")

    def saw(self, found: bool) -> bool:
        """Tells whether it is an event, after one more frame."""
        self._newest.append(found)
        if not found or sum(self._newest) < self._least or self._clock() - self._fired_at < self._every:
            return False
        self._fired_at = self._clock()
        return True
