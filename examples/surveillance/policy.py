# SPDX-License-Identifier: LGPL-2.1-or-later
"""When a child is killed, started again or given up. Pure: told what happened and when, it answers what to do."""

import enum
from collections import deque
from dataclasses import dataclass

from .untrusted import Fields, Refused, is_number


@dataclass(frozen=True)
class Limits:
    """Limits of a good worker: beyond them it is `slow`."""

    drop_rate: float = 1.0  # share of the frames offered; 1: any
    frame_age: float = 0.0  # seconds from publish to take; 0: any


class Level(enum.Enum):
    """Importance of a worker: a preset of its limits, and of the restarts it may have within the window."""

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
class FallBack:
    """Gone for good; the lighter command is started in its place."""

    delay: float
    reason: str


@dataclass(frozen=True)
class GiveUp:
    """Gone for good."""

    reason: str


Action = Start | Kill | Leave | FallBack | GiveUp | None

STATES = ("waiting", "ok", "slow", "stuck", "starved", "dead")
ALIVE = frozenset({"waiting", "ok", "slow", "starved"})
WARM = frozenset({"ok", "slow"})  # it has finished a frame
MOST_RESTARTS = 10_000  # within a window
QUICK = 5.0  # s: whoever ends so soon after its start …
BROKEN = 3  # … so many times in a row is broken, not unlucky
MOST_DOUBLINGS = 16  # of the delay; a camera may be away for months
LOOK = 2.0  # s: the most of its time that one look takes away; a suspended machine makes no worker late
MOST_WAITED = 0.75  # of a look: the most that waiting for a processor takes off; a worker's own threads wait for each other, too


class Lifecycle:
    """One child's life. Restarts on `stuck` and `dead`: `starved` is the source's fault and `slow` is no illness.

    `budget` None: it is started again for ever, ever more seldom; so is the capture process, for cameras come back.
    `patience`: seconds in which it did not go on when it is told to be stuck.
    """

    def __init__(self, budget: int | None, window: float = 60.0, grace: float = 30.0, first_delay: float = 0.25,
                 longest_delay: float = 8.0, fallback: bool = False, patience: float = 30.0):
        self.phase = Phase.IDLE
        self.budget = budget
        self.window = window
        self.grace = grace
        self.has_fallback = fallback
        self.fell_back = False  # what runs is the fallback
        self.reason = ""  # why it was given up
        self.failures = 0  # ends in a row, each within the window after its start, or without a frame
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._patience = patience
        self._restarts: deque[float] = deque()
        self._quick = 0  # ends in a row, each soon after its start
        self._started_at = 0.0
        self._looked_at = 0.0
        self._grace_left = grace
        self._waited = 0.0
        self._owed = 0.0  # s of its patience in which it had no processor: it has them once more
        self._warm = False
        self._ill = ""  # the state it is in, if that is a reason to end it
        self._left_alone = False  # told once per illness

    def started(self, now: float) -> None:
        self.phase = Phase.STARTING
        self._started_at = self._looked_at = now
        self._grace_left = self.grace
        self._waited = self._owed = 0.0
        self._warm = self._left_alone = False
        self._ill = ""

    def stop(self) -> None:
        self.phase = Phase.STOPPED

    def forgive(self) -> None:
        """A person mended it: it begins as on the first day."""
        self.phase, self.reason, self.fell_back = Phase.IDLE, "", False
        self.failures = self._quick = 0
        self._restarts.clear()

    def left(self, now: float) -> int | None:
        """Restarts it may still have at this time; None: any number."""
        while self._restarts and now - self._restarts[0] > self.window:
            self._restarts.popleft()
        return None if self.budget is None else max(0, self.budget - len(self._restarts))

    def health(self, state: str, now: float) -> Action:
        """A new health state. While a process starts, only signs of life count: bad news is still its predecessor's.
        While it warms up (no frame finished, grace not over) it may take as long as it likes over its first one."""
        if state in ALIVE:
            if self.phase is Phase.STARTING:
                self.phase = Phase.RUNNING
            self._warm = self._warm or state in WARM
            self._left_alone, self._ill = False, ""
            return None
        if self.phase is not Phase.RUNNING:
            return None
        self._ill = state
        return self._treat(now)

    def went_on(self) -> None:
        """It took a frame, or said something."""
        self._owed = 0.0

    def exited(self, reason: str, now: float) -> Action:
        if self.phase in (Phase.STOPPED, Phase.GIVEN_UP):
            return None
        ran = now - self._started_at
        self.failures = self.failures + 1 if ran <= self.window or not self._warm else 1
        self._quick = self._quick + 1 if ran < QUICK and self.phase is not Phase.ENDING else 0
        if self._quick >= BROKEN and self.budget is not None:
            return self._give_up(f"{reason}; {BROKEN} times in a row within {QUICK:g} s of its start: it is broken", now)
        if self.left(now) == 0:
            return self._give_up(f"{reason}; {self._none_left()}", now)
        self._restarts.append(now)
        return self._again(Start, reason)

    def tick(self, now: float, judged: bool = True, waited: float = 0.0) -> Action:
        """Call it every second or so. `judged`: its health can be told now; without a publisher it cannot, and
        its grace does not run. `waited`: seconds since its start that it was ready to run and had no processor; a machine that is too
        busy makes its start and each of its steps longer, and killing it would make the machine busier."""
        passed = min(now - self._looked_at, LOOK)
        without_processor = min(max(0.0, waited - self._waited), MOST_WAITED * passed)
        self._waited = waited
        if judged:
            self._grace_left -= passed - without_processor
        self._owed = min(self._owed + without_processor, MOST_WAITED * self._patience) - (passed if self._ill else 0.0)
        self._looked_at = now
        if self.phase is Phase.STARTING and self._grace_left <= 0:
            return self._end(f"no sign of life for {self.grace:g} s after its start", now)
        if self.phase is Phase.RUNNING and self._ill:
            return self._treat(now)
        return None

    def history(self, now: float) -> dict:
        """State for a new manager; for restore()."""
        return {"restarts_ago": [now - at for at in self._restarts], "failures": self.failures, "quick": self._quick,
                "given_up": self.reason if self.phase is Phase.GIVEN_UP else "", "fell_back": self.fell_back}

    def restore(self, history: object, now: float, passed: float) -> None:
        """`passed`: seconds since history() was asked, whatever became of the clock in between. A history that is not right
        raises and changes nothing."""
        told = Fields("its life", history)
        ago = told.entries("restarts_ago", MOST_RESTARTS)
        if not all(is_number(seconds, 0, 1e12) for seconds in ago):
            raise Refused("its life: restarts_ago: numbers are needed")
        failures, quick = told.whole("failures"), told.whole("quick")
        reason, fell_back = told.text("given_up"), told.flag("fell_back")
        self._restarts = deque(now - passed - seconds for seconds in ago)
        self.failures, self._quick = failures, quick
        self.fell_back = fell_back and self.has_fallback
        self.reason = reason
        if self.reason:
            self.phase = Phase.GIVEN_UP

    def _treat(self, now: float) -> Action:
        if not self._warm and self._grace_left > 0:
            return None
        if self._ill == "stuck" and self._owed > 0:
            return None
        return self._end(f"its lane is {self._ill}", now)

    def _end(self, reason: str, now: float) -> Action:
        if self.left(now) != 0 or (self.has_fallback and not self.fell_back):
            self.phase = Phase.ENDING
            return Kill(reason)
        if self._left_alone:
            return None
        self._left_alone = True
        return Leave(f"{reason}; {self._none_left()}")

    def _give_up(self, reason: str, now: float) -> Action:
        if self.has_fallback and not self.fell_back:
            self.fell_back = True
            self.failures = self._quick = 0
            self._restarts.clear()
            return self._again(FallBack, reason)
        self.phase, self.reason = Phase.GIVEN_UP, reason
        return GiveUp(reason)

    def _again(self, action, reason: str) -> Action:
        self.phase = Phase.IDLE
        doublings = min(max(0, self.failures - 1), MOST_DOUBLINGS)
        return action(min(self._first_delay * 2**doublings, self._longest_delay), reason)

    def _none_left(self) -> str:
        return f"no restart left of {self.budget} in {self.window:g} s" if self.budget else "it has no restarts"
