# SPDX-License-Identifier: LGPL-2.1-or-later
"""The run: faults on purpose at known times, what was seen of each, and what it cost the others."""

import asyncio
import signal
from dataclasses import dataclass, field

from .config import Fault
from .record import Account, now
from .supervisor import CAPTURE, Supervisor
from .watched import lives, settled

RECOVERS = 180.0  # s: longest wait for a worker to come back, on a machine that hardly gives it a processor


@dataclass
class Outcome:
    worker: str
    signal: str
    at: float  # seconds since the start; the rest since the fault
    expected: str
    seen_after: float | None = None
    recovered_after: float | None = None
    others: list["Neighbour"] = field(default_factory=list)
    no_slot: int = 0  # frames that no worker could get: the ring's slots were all taken

    @property
    def survived(self) -> bool:
        return self.seen_after is not None and self.recovered_after is not None


@dataclass
class Neighbour:
    """Another worker during the fault, and during as long a time before it."""

    name: str
    keeps_up: bool  # takes every frame: a single drop during the fault is one too many, if there was none before
    before: Account
    during: Account
    alone: int  # frames missed while it was free, which no slowness of its own explains
    cpu_wait: float  # seconds that its process was ready to run and had no processor
    seconds: float  # how long the fault took

    @property
    def lost(self) -> int:
        """Frames that it lost during the fault and would not have lost otherwise."""
        if self.keeps_up:
            return max(0, self.during.dropped - self.before.dropped)
        return self.alone

    @property
    def blamed(self) -> int:
        """Of these, what the fault is blamed for. A machine that is too busy proves nothing: who lost n frames for want
        of a processor waited for one about as long as n frames take."""
        period = self.seconds / max(1, self.during.offered)
        return 0 if self.lost * period <= self.cpu_wait else self.lost


class Drill:
    def __init__(self, supervisor: Supervisor, faults: tuple[Fault, ...], seconds: float):
        self.outcomes: list[Outcome] = []
        self._supervisor = supervisor
        self._seconds = seconds
        self._plan = sorted((fault.at * seconds, fault) for fault in faults)

    async def run(self) -> None:
        """Begins once everybody lives; the run is as long as was asked for, or until the last worker is back."""
        workers = self._supervisor.workers.values()
        await _until(lambda: all(map(settled, workers)), RECOVERS)
        begin = now()
        for at, fault in self._plan:
            await asyncio.sleep(max(0.0, begin + at - now()))
            self.outcomes.append(await self._strike(fault))
        await asyncio.sleep(max(0.0, begin + self._seconds - now()))
        await _until(lambda: all(map(settled, workers)), RECOVERS)

    async def _strike(self, fault: Fault) -> Outcome:
        supervisor, watched = self._supervisor, self._supervisor.workers[fault.worker]
        if not await _until(lambda: lives(watched), RECOVERS):
            return Outcome(fault.worker, fault.signal.name, now() - supervisor.started_at, "alive before the fault")
        begin, pid = now(), watched.child.pid
        waited = self._waited()
        expected = "stuck" if fault.signal in (signal.SIGSTOP, signal.SIGTSTP) else "dead"
        outcome = Outcome(fault.worker, fault.signal.name, begin - supervisor.started_at, expected)
        supervisor.event("fault", fault.worker, f"{fault.signal.name} to pid {pid}")
        watched.child.send_signal(fault.signal)
        await _until(lambda: watched.record.seen_since(expected, begin), RECOVERS)
        if seen := watched.record.seen_since(expected, begin):
            outcome.seen_after = seen - begin
        if await _until(lambda: lives(watched) and watched.child.pid != pid, RECOVERS):
            outcome.recovered_after = now() - begin
        await asyncio.sleep(0.5)  # the accounts of that moment arrive
        self._compare(outcome, begin, now(), waited)
        return outcome

    def _waited(self) -> dict[str, float]:
        return {watched.record.name: watched.child.waited_for_cpu() for watched in self._supervisor.everybody}

    def _compare(self, outcome: Outcome, begin: float, end: float, waited: dict[str, float]) -> None:
        supervisor = self._supervisor
        before = max(supervisor.started_at, 2 * begin - end)
        outcome.no_slot = supervisor.books.without_slot(begin, end)
        waited = {name: total - waited[name] for name, total in self._waited().items()}
        for name, watched in supervisor.workers.items():
            if name != outcome.worker:
                record = watched.record
                outcome.others.append(Neighbour(name, watched.worker.policy != "latest", record.between(before, begin),
                                                record.between(begin, end), record.missed_alone(begin, end),
                                                waited[name], end - begin))
        for record in (supervisor.books.inbox, *supervisor.books.branches.values()):
            outcome.others.append(Neighbour(record.name, True, record.between(before, begin),
                                            record.between(begin, end), 0, waited[CAPTURE], end - begin))


async def _until(condition, timeout: float) -> bool:
    end = now() + timeout
    while not condition():
        if now() > end:
            return False
        await asyncio.sleep(0.02)
    return True
