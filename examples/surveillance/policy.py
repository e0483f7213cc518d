# SPDX-License-Identifier: LGPL-2.1-or-later
"""When a child is killed, started again or given up. Pure: told what happened and when, it answers what to do."""

import enum
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is still good enough: beyond it a worker is `slow`."""

    drop_rate: float = 1.0  # share of the frames offered; 1: any
    frame_age: float = 0.0  # seconds from publish to take; 0: any


class Level(enum.Enum):
    """How much a worker matters: a preset of its limits, and of the restarts it may have within the window."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    BEST_EFFORT = "best-effort"

    @property
    def limits(self) -> Limits:
        return {Level.CRITICAL: Limits(0.01, 0.1), Level.HIGH: Limits(0.1, 0.2), Level.NORMAL: Limits(0.5, 0.5),
                Level.BEST_EFFORT: Limits()}[self]

    @property
    def restarts(self) -> int:
        return {Level.CRITICAL: 3, Level.HIGH: 2, Level.NORMAL: 1, Level.BEST_EFFORT: 0}[self]


class Phase(enum.Enum):
    IDLE = "idle"  # not started yet, or waiting for its next start
    STARTING = "starting"  # the process runs, nothing was heard of it yet
    RUNNING = "running"
    ENDING = "ending"  # killed by us, not gone yet
    GIVEN_UP = "given up"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Start:
    delay: float
    reason: str


@dataclass(frozen=True)
class Kill:
    reason: str


@dataclass(frozen=True)
class Leave:
    """Ill, but without a restart left: killing it would only make it worse, and it may come back by itself."""

    reason: str


@dataclass(frozen=True)
class GiveUp:
    """Gone for good."""

    reason: str


Action = Start | Kill | Leave | GiveUp | None

ALIVE = frozenset({"waiting", "ok", "slow", "starved"})


class Lifecycle:
    """One child's life. Restarts on `stuck` and `dead`: `starved` is the source's fault and `slow` is no illness."""

    def __init__(self, budget: int, window: float = 60.0, grace: float = 30.0, first_delay: float = 0.25,
                 longest_delay: float = 8.0):
        self.phase = Phase.IDLE
        self.budget = budget
        self._window = window
        self._grace = grace
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._restarts: deque[float] = deque()
        self._started_at = 0.0
        self._left_alone = False  # told once per illness

    def started(self, now: float) -> None:
        self.phase = Phase.STARTING
        self._started_at = now
        self._left_alone = False

    def stop(self) -> None:
        self.phase = Phase.STOPPED

    def health(self, state: str, now: float) -> Action:
        """A new health state. While a process starts, only signs of life count: bad news is still its predecessor's."""
        if state in ALIVE:
            if self.phase is Phase.STARTING:
                self.phase = Phase.RUNNING
            self._left_alone = False
            return None
        if self.phase is not Phase.RUNNING:
            return None
        return self._end(f"its lane is {state}", now)

    def exited(self, reason: str, now: float) -> Action:
        if self.phase in (Phase.STOPPED, Phase.GIVEN_UP):
            return None
        if self.left(now) == 0:
            self.phase = Phase.GIVEN_UP
            return GiveUp(f"{reason}; no restart left of {self.budget} in {self._window:g} s")
        self.phase = Phase.IDLE
        delay = min(self._first_delay * 2 ** len(self._restarts), self._longest_delay)
        self._restarts.append(now)
        return Start(delay, reason)

    def tick(self, now: float) -> Action:
        if self.phase is Phase.STARTING and now - self._started_at > self._grace:
            return self._end(f"no sign of life for {self._grace:g} s after its start", now)
        return None

    def left(self, now: float) -> int:
        """Restarts it may still have at this time."""
        while self._restarts and now - self._restarts[0] > self._window:
            self._restarts.popleft()
        return self.budget - len(self._restarts)

    def _end(self, reason: str, now: float) -> Action:
        if self.left(now) > 0:
            self.phase = Phase.ENDING
            return Kill(reason)
        if self._left_alone:
            return None
        self._left_alone = True
        return Leave(f"{reason}; no restart left of {self.budget} in {self._window:g} s")
