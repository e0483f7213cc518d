# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose fault a missed frame is, as the worker itself can tell."""


class Gaps:
    """Tells frames missed while the worker was busy (its own doing) from those missed while it was free (not its own).

    For the policy `latest`, where a frame published while the worker is free is always taken.
    """

    def __init__(self):
        self._sequence = 0
        self._published = 0.0
        self._free_since = 0.0

    def took(self, sequence: int, published: float) -> tuple[int, int]:
        """Missed in all, and missed while free, between the frame before and this one."""
        missed = max(0, sequence - self._sequence - 1) if self._sequence else 0
        alone = 0
        if missed:
            # The missed frames lie evenly between the two taken ones; half a period is left to jitter.
            period = (published - self._published) / (missed + 1)
            alone = min(missed, max(0, int((published - self._free_since) / period - 0.5))) if period > 0 else 0
        self._sequence, self._published = sequence, published
        return missed, alone

    def free(self, now: float) -> None:
        """The worker is done with the frame it took."""
        self._free_since = now
