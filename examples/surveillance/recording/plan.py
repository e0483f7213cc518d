# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which stretches of time triggers choose to be kept. Pure: told what happened and when, by monotonic seconds."""

from collections import deque
from dataclasses import dataclass, field, replace

LISTED = 100  # triggers of one clip that are told one by one; the others are counted
WAITING = 4  # clips that wait to be written


@dataclass(frozen=True)
class Trigger:
    worker: str
    label: str
    at: float  # of the frame it saw
    utc: float
    seq: int = 0
    found: int = 0
    boxes: tuple = ()
    found_frame: bool = True  # `at` is the frame's own time


@dataclass
class Plan:
    begin: float
    until: float
    limit: float  # `until` is never later
    first: Trigger
    continues: bool = False  # right after the clip before it, which had its full length
    triggers: list[Trigger] = field(default_factory=list)
    count: int = 0
    times: dict[int, tuple[float, float]] = field(default_factory=dict)  # of the frames that were kept, by sequence: at, utc

    def keep(self, sequence: int, at: float, utc: float) -> None:
        if sequence:
            self.times[sequence] = (at, utc)

    def placed(self) -> list[Trigger]:
        """The triggers that are listed. One that came before its frame was encoded gets the frame's time."""
        return [trigger if trigger.found_frame or trigger.seq not in self.times else
                replace(trigger, at=self.times[trigger.seq][0], utc=self.times[trigger.seq][1]) for trigger in self.triggers]

    def add(self, trigger: Trigger, after: float) -> None:
        self.until = min(self.limit, max(self.until, trigger.at + after))
        self.count += 1
        if len(self.triggers) < LISTED:
            self.triggers.append(trigger)

    @property
    def cut(self) -> bool:
        """Tells whether it has its full length."""
        return self.until >= self.limit


class Budget:
    """So many an hour, all at once if need be, and then one whenever its share of the hour is over."""

    def __init__(self, per_hour: int):
        self._per_hour = per_hour
        self._left = float(per_hour)
        self._at: float | None = None

    def take(self, now: float) -> bool:
        if self._at is not None:
            self._left = min(self._per_hour, self._left + (now - self._at) * self._per_hour / 3600)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Plans:
    def __init__(self, before: float, after: float, longest: float, per_hour: int):
        self._before = before
        self._after = after
        self._longest = longest
        self._budget = Budget(per_hour)
        self._plans: deque[Plan] = deque()
        self._kept_until = float("-inf")  # the end of the newest plan, also of a finished one
        self.triggers = 0
        self.refused = 0  # triggers that got no clip
        self.covered = 0  # triggers whose time is in a finished clip

    def trigger(self, trigger: Trigger, now: float, held_since: float) -> Plan | None:
        """The clip it is in, or None. `held_since` is the time of the oldest frame there is, or infinite."""
        self.triggers += 1
        if trigger.at + self._after < held_since:
            self.refused += 1
            return None
        newest = self._plans[-1] if self._plans else None
        if newest and trigger.at - self._before <= newest.until and trigger.at < newest.limit:
            newest.add(trigger, self._after)
            self._kept_until = newest.until
            return newest
        if trigger.at + self._after <= self._kept_until:
            self.covered += 1
            return None
        if len(self._plans) >= WAITING or not self._budget.take(now):
            self.refused += 1
            return None
        begin = trigger.at - self._before
        continues = begin <= self._kept_until
        begin = max(begin, self._kept_until)
        plan = Plan(begin, begin, begin + self._longest, trigger, continues)
        plan.add(trigger, self._after)
        self._plans.append(plan)
        self._kept_until = plan.until
        return plan

    def next(self) -> Plan | None:
        return self._plans[0] if self._plans else None

    def finished(self, plan: Plan, at: float) -> bool:
        """Tells whether the clip is over at that time; if so, nothing extends it any more."""
        if at <= plan.until:
            return False
        if plan in self._plans:
            self._plans.remove(plan)
        return True

    def refuse(self, plan: Plan) -> None:
        """It could not be written: what it would have kept is not kept."""
        self.finished(plan, float("inf"))
        self.refused += plan.count
        if not self._plans:
            self._kept_until = float("-inf")
