# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera's books, as its capture process tells them: of the ring, of latestframe, of each branch and lane."""

from collections import deque

from .messages import Stats
from .record import KEPT, Account, Record

MOST_BRANCHES = 16


class Books:
    def __init__(self):
        self.ring: dict = {}
        self.supply: dict = {}
        self.branches: dict[str, Record] = {}
        self.inbox = Record("inbox")  # of latestframe, before all branches
        self.slots_lost: list[dict] = []
        self._without_slot: deque[tuple[float, int]] = deque(maxlen=KEPT)  # when, frames for which no slot was free

    def begin(self) -> None:
        """A new publisher, which counts from nothing."""
        for record in (self.inbox, *self.branches.values()):
            record.begin_books()
        self._without_slot.clear()

    def took(self, stats: Stats, at: float) -> None:
        self.ring, self.supply = stats.ring, stats.supply
        for branch in stats.branches:
            if branch.worker not in self.branches and len(self.branches) >= MOST_BRANCHES:
                continue
            record = self.branches.setdefault(branch.worker, Record(branch.worker))
            record.took_stats(branch, at)
            if branch.state not in ("", record.state):  # told before its first account
                record.took_state(branch.state, branch.reason, at)
        self._without_slot.append((at, self.ring["dropped-no-slot"]))
        received, published, dropped = (self.supply[name] for name in ("received", "published", "mailbox-drops"))
        self.inbox.took_account(Account(received, published, dropped, 0), at)
        if sum(self.ring[use] for use in ("free-slots", "owned", "loaned")) != self.ring["slots"]:
            self.slots_lost = [*self.slots_lost, self.ring][-10:]

    def without_slot(self, begin: float, end: float) -> int:
        """Frames that no worker could get in that time, because the ring had no free slot."""
        def until(when):
            return next((count for told, count in reversed(self._without_slot) if told <= when), 0)
        return until(end) - until(begin)
