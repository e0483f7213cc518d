# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does a camera give frames, and does its capture process answer? Pure: told what was heard, it answers with a state."""

SILENT = 5.0  # s without a line, of which capture sends four a second: it is stuck


class Pulse:
    """Only watched time counts: a look after a suspended machine's sleep is one look."""

    def __init__(self, stall_timeout: float, every: float):
        self._stall_timeout = stall_timeout
        self._every = every  # seconds between two looks
        self.begin()

    def begin(self) -> None:
        self._received = 0
        self._heard = self._came = False
        self._silent_for = self._empty_for = 0.0

    def heard(self, received: int) -> None:
        self._heard = True
        self._came = self._came or received != self._received
        self._received = received

    def look(self) -> tuple[str, str]:
        """State and reason."""
        self._silent_for = 0.0 if self._heard else self._silent_for + self._every
        self._empty_for = 0.0 if self._came else self._empty_for + self._every
        self._heard = self._came = False
        if self._silent_for >= SILENT:
            return "stuck", f"it said nothing for {self._silent_for:.1f} s"
        if self._empty_for >= self._stall_timeout:
            return "starved", f"the camera gave no frame for {self._empty_for:.1f} s"
        return ("ok", "") if self._received else ("waiting", "no frame came yet")
