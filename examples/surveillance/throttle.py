# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bounds of rates: of events in the log, and of what is read from a child."""


class Throttle:
    """Keeps a flood out of the event log: so many in a row, then one a second; what is held back is counted."""

    def __init__(self, burst: int = 20, per_second: float = 1.0):
        self._burst = burst
        self._per_second = per_second
        self._tokens = float(burst)
        self._at = 0.0
        self._held = 0

    def let(self, now: float) -> int | None:
        """None: hold this one back. Else how many were held back before it."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            self._held += 1
            return None
        self._tokens -= 1
        held, self._held = self._held, 0
        return held


class Allowance:
    """So many bytes a second, and `burst` bytes at once."""

    def __init__(self, per_second: float, burst: float):
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at = 0.0

    def left(self, now: float) -> float:
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        return self._left

    def spend(self, cost: float, now: float) -> float:
        """Seconds to wait until the next may be spent; 0: none."""
        self._left = self.left(now) - cost
        return max(0.0, -self._left / self._per_second)
