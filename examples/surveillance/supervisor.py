# SPDX-License-Identifier: LGPL-2.1-or-later
"""One camera: starts capture and workers, watches their health, carries out what the policy says, stops all in order."""

import asyncio
import json
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .child import Child
from .config import RECORDER, Camera, Worker
from .policy import ALIVE, GiveUp, Kill, Leave, Level, Lifecycle, Phase, Start
from .record import KEPT, Account, Record, now
from .recording.config import parse as parse_recording

CAPTURE = "capture"
LEAVE = 6.0  # s for everybody to end by themselves


@dataclass
class Watched:
    level: Level
    child: Child
    life: Lifecycle
    record: Record
    settings: Worker | None = None  # None: capture
    said_bye: bool = False

    @property
    def is_foreign(self) -> bool:
        """Started by others, such as a container: watched only."""
        return self.settings is not None and not self.settings.command


class Supervisor:
    """`on_event` gets kind, worker and text. `record`: a file into which capture itself records."""

    def __init__(self, camera: Camera, socket: Path, folder: Path, on_event: Callable[[str, str, str], None],
                 album_every: float = 2.0, record: Path | None = None):
        self.camera = camera
        self.folder = folder
        self.socket = socket
        self.recording = record
        self.started_at = now()
        self.ring: dict = {}
        self.supply: dict = {}
        self.branches: dict[str, Record] = {}
        self.inbox = Record("inbox")  # of latestframe, before all branches
        self.slots_lost: list[dict] = []
        self._without_slot: deque[tuple[float, int]] = deque(maxlen=KEPT)  # when, frames for which no slot was free
        self.event = on_event
        self._tasks: set[asyncio.Task] = set()
        self._stopping = False
        self._album_every = album_every
        for sub in ("logs", "album"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        self.capture = self._watch_capture()
        self.workers = {worker.name: self._watch_worker(worker) for worker in camera.workers}
        if camera.records:
            self.workers[RECORDER] = self._watch_worker(recorder(camera, folder))

    @property
    def everybody(self) -> list[Watched]:
        return [self.capture, *self.workers.values()]

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

    def without_slot(self, begin: float, end: float) -> int:
        """Frames that no worker could get in that time, because the ring had no free slot."""
        def until(when):
            return next((count for told, count in reversed(self._without_slot) if told <= when), 0)
        return until(end) - until(begin)

    # What children say

    def _watch_capture(self) -> Watched:
        ring = self.camera.ring
        command = [*_program(self.camera.capture), "--input", self.camera.input, "--socket", str(self.socket),
                   "--readers", str(self.camera.readers), "--depth", str(ring.depth), "--max-held", str(ring.max_held),
                   "--stall-timeout", str(ring.stall_timeout)]
        if self.recording:
            command += ["--record", str(self.recording)]
        life = Lifecycle(Level.CRITICAL.restarts)
        return self._watch(CAPTURE, Level.CRITICAL, command, life, self._from_capture, {}, 0)

    def _watch_worker(self, worker: Worker) -> Watched:
        environment = {"SHMRING_PATH": str(self.socket), "CAMERA_NAME": self.camera.name, "WORKER_NAME": worker.name,
                       "WORKER_POLICY": worker.policy, "WORKER_DEPTH": str(worker.depth),
                       "ALBUM": str(self.folder / "album"), "ALBUM_EVERY": str(self._album_every),
                       **dict(worker.environment)}
        watched = self._watch(worker.name, worker.level, _program(worker.command),
                              Lifecycle(worker.restarts, worker.window, worker.grace),
                              lambda message: self._from_worker(watched, message), environment, worker.nice)
        watched.settings = worker
        return watched

    def _watch(self, name, level, command, life, on_message, environment, nice) -> Watched:
        child = Child(name, command, self.folder / "logs" / f"{name}.log", on_message,
                      lambda reason: self._exited(watched, reason), environment, nice)
        watched = Watched(level, child, life, Record(name))
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
        for branch in [*self.supply["branches"], *filter(None, [message.get("recorder")])]:
            name = branch["worker"]
            self.branches.setdefault(name, Record(name)).took_stats(branch, at)
        self._without_slot.append((at, self.ring["dropped-no-slot"]))
        received, published, dropped = (self.supply[name] for name in ("received", "published", "inbox-drops"))
        self.inbox.took_account(Account(received, published, dropped, 0), at)
        if sum(self.ring[f"slots-{use}"] for use in ("free", "owned", "loaned")) != self.ring["slots"]:
            self.slots_lost.append(self.ring)

    def _from_worker(self, watched: Watched, message: dict) -> None:
        kind, record = message["kind"], watched.record
        if kind == "frame":
            record.took_frame(message, now())
        elif kind == "report":
            record.report = {key: value for key, value in message.items() if key != "kind"}
        elif kind == "event":
            self._trigger(record.name, message)
        elif kind == "bye":
            watched.said_bye = True
            record.lost_lines += int(message.get("lost", 0))
        elif kind in ("warning", "error", "clip"):
            self.event(kind, record.name, str(message.get("text", "")))
        else:
            self.event("warning", record.name, f"said {message}")

    def _trigger(self, worker: str, message: dict) -> None:
        """Somebody saw something worth keeping: an event, which the recorder is told of."""
        fields = {key: value for key, value in message.items() if key not in ("kind", "worker", "at")}
        self.event("trigger", worker, str(fields.get("label", "")))
        if recorder := self.workers.get(RECORDER):
            recorder.child.send("event", worker=worker, at=time.time(), **fields)

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
                self.event("left", name, f"{reason}; others start it" if watched.is_foreign else reason)
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
        if watched.is_foreign:
            return
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


def recorder(camera: Camera, folder: Path) -> Worker:
    """What [recorder] and [clips] start: one more reader of the ring. Its settings reach it as JSON."""
    tables = {name: table for name, table in (("recorder", camera.recorder), ("clips", camera.clips)) if table is not None}
    recording = parse_recording(camera.recorder, camera.clips)
    return Worker(RECORDER, ("python3", "-m", "surveillance.recording"), recording.level, "drop-newest",
                  depth=recording.depth, nice=recording.nice, limits=recording.level.limits,
                  restarts=recording.level.restarts,
                  environment=(("RECORDER", json.dumps(tables)), ("RECORDINGS", str(folder / "recordings"))))


def _program(command: tuple[str, ...]) -> list[str]:
    """`python3` is the interpreter that runs this."""
    return [sys.executable if word == "python3" else word for word in command[:1]] + list(command[1:])


def settled(watched: Watched) -> bool:
    return lives(watched) or watched.life.phase is Phase.GIVEN_UP


def lives(watched: Watched) -> bool:
    return watched.life.phase is Phase.RUNNING and watched.record.state in ALIVE
