# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps a flood out of the event log: so many in a row, then one a second; what is held back is counted."""


class Throttle:
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
