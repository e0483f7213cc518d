# SPDX-License-Identifier: LGPL-2.1-or-later
"""Last answer of a folder's disk, and the time of the next try."""

import errno
import time
from collections.abc import Callable
from contextlib import contextmanager

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0  # seconds between two tries
HANGS = 5.0  # seconds in which it did not answer at all

STATES = {errno.ENOSPC: "full", errno.EDQUOT: "full", errno.EROFS: "read-only"}


class Disk:
    def __init__(self, on_change: Callable[[str, str], None] = lambda state, error: None,
                 monotonic: Callable[[], float] = time.monotonic):
        self.error = ""
        self.failures = 0
        self._state = "ok"
        self._on_change = on_change
        self._monotonic = monotonic
        self._wait = FIRST_WAIT
        self._next_try = 0.0
        self._asked_at: float | None = None

    @property
    def state(self) -> str:
        """`ok`, `full`, `read-only`, `failed` (see `error`), or `hangs`: a call has not come back for seconds."""
        asked_at = self._asked_at
        return "hangs" if asked_at is not None and self._monotonic() - asked_at > HANGS else self._state

    def may_try(self) -> bool:
        return self._state == "ok" or self._monotonic() >= self._next_try

    @contextmanager
    def call(self):
        """Around everything that touches the disk, so that a call that never comes back is seen from outside."""
        self._asked_at = self._monotonic()
        try:
            yield
        finally:
            self._asked_at = None

    def failed(self, error: OSError) -> None:
        self.failures += 1
        self._next_try = self._monotonic() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._became(STATES.get(error.errno, "failed"), error.strerror or str(error))

    def works(self) -> None:
        """Something was written: all is well again."""
        if self._state != "ok":
            self._wait = FIRST_WAIT
            self._became("ok", "")

    def _became(self, state: str, error: str) -> None:
        changed = state != self._state
        self._state, self.error = state, error
        if changed:
            self._on_change(state, error)
