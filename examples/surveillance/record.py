# SPDX-License-Identifier: LGPL-2.1-or-later
"""Record of each worker: its newest account, the course of it, its times. Bounded; table and report read it."""

import time
from collections import deque
from dataclasses import dataclass, field

from .messages import Frame, Lane

KEPT = 4096  # samples of each kind: minutes at camera rate, not months


@dataclass(frozen=True)
class Account:
    """The publisher's books on one worker, or on one branch."""

    offered: int = 0
    delivered: int = 0
    dropped: int = 0
    pending: int = 0

    @property
    def balanced(self) -> bool:
        return self.offered == self.delivered + self.dropped + self.pending

    def plus(self, more: "Account") -> "Account":
        return Account(self.offered + more.offered, self.delivered + more.delivered, self.dropped + more.dropped,
                       self.pending + more.pending)

    def since(self, before: "Account") -> "Account":
        return Account(self.offered - before.offered, self.delivered - before.delivered, self.dropped - before.dropped,
                       self.pending - before.pending)


@dataclass
class Record:
    name: str
    state: str = "waiting"
    reason: str = ""
    since: float = field(default_factory=lambda: now())  # when it came into that state
    generation: int = 0
    account: Account = Account()
    before: Account = Account()  # of the publishers before this one, each of which counted from nothing
    states: deque = field(default_factory=lambda: deque(maxlen=KEPT))  # (when, state), as told
    course: deque = field(default_factory=lambda: deque(maxlen=KEPT))  # (when, Account)
    unbalanced: list[Account] = field(default_factory=list)
    ages: deque = field(default_factory=lambda: deque(maxlen=KEPT))  # seconds, publish to take, as the worker told
    element_ages: dict[int, float] = field(default_factory=dict)  # percent → seconds, as the element told
    works: deque = field(default_factory=lambda: deque(maxlen=KEPT))  # seconds, take to done
    alone: deque = field(default_factory=lambda: deque(maxlen=KEPT))  # (when, frames missed while the worker was free)
    heard: int = 0  # frames the worker itself told of
    lost_lines: int = 0
    found: int = 0
    restarts: int = 0
    report: dict = field(default_factory=dict)  # the last one of kind "report" that it told
    abrupt_ends: int = 0  # ends without a last word: at most one frame each was taken and not told of

    def took_state(self, state: str, reason: str, now: float) -> None:
        if state != self.state:
            self.since = now
        self.state, self.reason = state, reason
        self.states.append((now, state))

    def took_stats(self, lane: Lane, now: float) -> None:
        self.generation = lane.generation
        self.took_account(Account(lane.offered, lane.delivered, lane.dropped, lane.pending), now)
        self.element_ages |= lane.ages
        if not self.account.balanced and len(self.unbalanced) < 10:
            self.unbalanced.append(self.account)

    def begin_books(self) -> None:
        """A new publisher counts from nothing; what was pending at the old one is lost."""
        old = self.account
        self.account = self.before = Account(old.offered, old.delivered, old.dropped + old.pending, 0)

    def took_account(self, account: Account, now: float) -> None:
        self.account = self.before.plus(account)
        self.course.append((now, self.account))

    def took_frame(self, frame: Frame, now: float) -> None:
        self.heard += 1
        self.found += frame.found
        self.ages.append(frame.age)
        self.works.append(frame.work)
        if frame.alone:
            self.alone.append((now, frame.alone))

    def age(self, percent: int) -> float | None:
        """Exactly, from the worker's own lines; to an eighth, from the element, where there are none."""
        exact = percentile(self.ages, percent / 100)
        return self.element_ages.get(percent) if exact is None else exact

    def account_at(self, when: float) -> Account:
        """The last account known at that time."""
        known = Account()
        for at, account in self.course:
            if at > when:
                break
            known = account
        return known

    def between(self, begin: float, end: float) -> Account:
        return self.account_at(end).since(self.account_at(begin))

    def seen_since(self, state: str, begin: float) -> float | None:
        """When it was first told to be in that state since then."""
        return next((when for when, told in self.states if when >= begin and told == state), None)

    def missed_alone(self, begin: float, end: float) -> int:
        return sum(count for when, count in self.alone if begin <= when <= end)


def percentile(values, share: float) -> float | None:
    return percentiles(values, share)[0]


def percentiles(values, *shares: float) -> list[float | None]:
    ordered = sorted(values)
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None for share in shares]


def now() -> float:
    return time.monotonic()
