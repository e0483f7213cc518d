# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts capture and workers, watches their health, carries out what the policy says, stops all in order."""

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .child import Child
from .config import Config, Worker
from .policy import ALIVE, GiveUp, Kill, Leave, Level, Lifecycle, Phase, Start
from .record import KEPT, Account, Event, Record, now

CAPTURE = "capture"
LEAVE = 6.0  # s for everybody to end by themselves


@dataclass
class Watched:
    level: Level
    child: Child
    life: Lifecycle
    record: Record
    policy: str = ""
    said_bye: bool = False


class Supervisor:
    def __init__(self, config: Config, source: str, socket: Path, folder: Path, album_every: float = 2.0,
                 on_event: Callable[[Event], None] = lambda event: None):
        self.config = config
        self.folder = folder
        self.socket = socket
        self.started_at = now()
        self.ring: dict = {}
        self.supply: dict = {}
        self.branches: dict[str, Record] = {}
        self.inbox = Record("inbox")  # of latestframe, before all branches
        self.slots_lost: list[dict] = []
        self._without_slot: deque[tuple[float, int]] = deque(maxlen=KEPT)  # when, frames for which no slot was free
        self._on_event = on_event
        self._tasks: set[asyncio.Task] = set()
        self._stopping = False
        self._album_every = album_every
        for sub in ("logs", "album"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        self.capture = self._watch_capture(source)
        self.workers = {worker.name: self._watch_worker(worker) for worker in config.workers}

    @property
    def everybody(self) -> list[Watched]:
        return [self.capture, *self.workers.values()]

    @property
    def recording(self) -> Path:
        return self.folder / "recording.mkv"

    async def start(self) -> None:
        self.started_at = now()
        for watched in self.everybody:
            await self._start(watched)
        self._run(self._ticks())

    async def stop(self) -> None:
        """The camera first: its end of stream lets everybody finish what they have."""
        self._stopping = True
        for watched in self.everybody:
            watched.life.stop()
        for task in self._tasks:
            task.cancel()
        self.capture.child.send_signal(signal.SIGTERM)
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            for watched in self.everybody:
                if number and watched.child.pid:
                    watched.child.send_signal(number)
            left = [watched.child.gone(LEAVE if number is None else 2.0) for watched in self.everybody]
            if all(await asyncio.gather(*left)):
                return

    def event(self, kind: str, worker: str, text: str) -> None:
        self._on_event(Event(now() - self.started_at, kind, worker, text))

    def without_slot(self, begin: float, end: float) -> int:
        """Frames that no worker could get in that time, because the ring had no free slot."""
        def until(when):
            return next((count for told, count in reversed(self._without_slot) if told <= when), 0)
        return until(end) - until(begin)

    # What children say

    def _watch_capture(self, source: str) -> Watched:
        config = self.config
        command = [*_program(config.capture), "--input", source, "--socket", str(self.socket),
                   "--record", str(self.recording), "--readers", str(len(config.workers) + 1),
                   "--depth", str(config.depth), "--max-held", str(config.max_held),
                   "--stall-timeout", str(config.stall_timeout)]
        return self._watch(CAPTURE, Level.CRITICAL, command, self._from_capture, {}, 0)

    def _watch_worker(self, worker: Worker) -> Watched:
        environment = {"SHMRING_PATH": str(self.socket), "WORKER_NAME": worker.name, "WORKER_POLICY": worker.policy,
                       "WORKER_DEPTH": str(worker.depth), "ALBUM": str(self.folder / "album"),
                       "ALBUM_EVERY": str(self._album_every)}
        watched = self._watch(worker.name, worker.level, _program(worker.command),
                              lambda message: self._from_worker(watched, message), environment, worker.nice)
        watched.policy = worker.policy
        return watched

    def _watch(self, name, level, command, on_message, environment, nice) -> Watched:
        child = Child(name, command, self.folder / "logs" / f"{name}.log", on_message,
                      lambda reason: self._exited(watched, reason), environment, nice)
        watched = Watched(level, child, Lifecycle(level.restarts), Record(name))
        return watched

    def _from_capture(self, message: dict) -> None:
        kind = message["kind"]
        if kind == "stats":
            self._take_stats(message)
            if self.capture.record.state != "ok" or self.capture.life.phase is Phase.STARTING:
                self._health(self.capture, "ok", "")
        elif kind == "health" and not self._stopping:  # at the end everybody leaves
            name, state, before, reason = (message[key] for key in ("worker", "state", "previous-state", "reason"))
            if state != before:  # else it only says how things are
                self.event("health", name, f"{before} → {state}: {reason}")
            if name in self.workers:
                self._health(self.workers[name], state, reason)
            else:
                self.branches.setdefault(name, Record(name)).took_state(state, reason, now())
        elif kind in ("warning", "error"):
            self.event(kind, CAPTURE, message.get("text", ""))

    def _take_stats(self, message: dict) -> None:
        at = now()
        self.ring, self.supply = message["ring"], message["supply"]
        for lane in self.ring["lanes"]:
            if lane["worker"] in self.workers:
                self.workers[lane["worker"]].record.took_stats(lane, at)
        for branch in [*self.supply["branches"], message["recorder"]]:
            name = branch["worker"]
            self.branches.setdefault(name, Record(name)).took_stats(branch, at)
        self._without_slot.append((at, self.ring["dropped-no-slot"]))
        received, published, dropped = (self.supply[name] for name in ("received", "published", "inbox-drops"))
        self.inbox.took_account(Account(received, published, dropped, 0), at)
        if sum(self.ring[f"slots-{use}"] for use in ("free", "owned", "loaned")) != self.ring["slots"]:
            self.slots_lost.append(self.ring)

    def _from_worker(self, watched: Watched, message: dict) -> None:
        if message["kind"] == "frame":
            watched.record.took_frame(message, now())
        elif message["kind"] == "bye":
            watched.said_bye = True
            watched.record.lost_lines += int(message.get("lost", 0))
        else:
            self.event("warning", watched.record.name, f"said {message}")

    # What the policy says

    def _health(self, watched: Watched, state: str, reason: str) -> None:
        watched.record.took_state(state, reason, now())
        self._act(watched, watched.life.health(state, now()))

    def _exited(self, watched: Watched, reason: str) -> None:
        if not watched.said_bye:
            watched.record.abrupt_ends += 1
        if not self._stopping:
            self.event("exit", watched.record.name, reason)
        self._act(watched, watched.life.exited(reason, now()))

    def _act(self, watched: Watched, action) -> None:
        name = watched.record.name
        match action:
            case Kill(reason):
                self.event("kill", name, f"pid {watched.child.pid}: {reason}")
                watched.child.send_signal(signal.SIGKILL)  # the only one that a stopped process obeys
            case Start(delay, _):
                self._run(self._start_again(watched, delay))
            case Leave(reason):
                self.event("left", name, reason)
            case GiveUp(reason):
                self.event("give-up", name, reason)

    async def _start_again(self, watched: Watched, delay: float) -> None:
        await asyncio.sleep(delay)
        watched.record.restarts += 1
        await self._start(watched)
        self.event("restart", watched.record.name, f"pid {watched.child.pid}, after {delay:.2f} s")

    async def _start(self, watched: Watched) -> None:
        watched.said_bye = False
        watched.life.started(now())
        try:
            await watched.child.start()
        except OSError as error:
            self._exited(watched, f"could not be started: {error}")

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for watched in self.everybody:
                self._act(watched, watched.life.tick(now()))

    def _run(self, work) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _program(command: tuple[str, ...]) -> list[str]:
    """`python3` is the interpreter that runs this."""
    return [sys.executable if word == "python3" else word for word in command[:1]] + list(command[1:])


def settled(watched: Watched) -> bool:
    return lives(watched) or watched.life.phase is Phase.GIVEN_UP


def lives(watched: Watched) -> bool:
    return watched.life.phase is Phase.RUNNING and watched.record.state in ALIVE
