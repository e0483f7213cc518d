# SPDX-License-Identifier: LGPL-2.1-or-later
"""One camera: starts capture and workers, watches their health, carries out what the policy says, stops all in order."""

import asyncio
import contextlib
import json
import logging
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from . import channel, messages
from .books import Books
from .child import Child
from .config import RECORDER, Camera, Worker
from .listener import Listener
from .policy import FallBack, GiveUp, Kill, Leave, Level, Lifecycle, Phase, Start
from .pulse import SILENT, Pulse
from .record import Record, now
from .recording.config import parse as parse_recording
from .result_sender import results_path
from .throttle import Throttle
from .untrusted import Fields, Refused, explain
from .watched import Watched, program
from .zones import Crossing

CAPTURE = "capture"
LEAVE = 6.0  # s for everybody to end by themselves
KILLED = 60.0  # s for the kernel to end a killed process: that takes processor time, too, of which its level may leave it little
TICK = 0.5  # s
QUIET_AFTER = 4  # failures of capture in a row: the camera is away, and every further try is no news


class Supervisor:
    """`on_event` gets kind, worker and text. `record`: a file into which capture itself records."""

    def __init__(self, camera: Camera, socket: Path, folder: Path, on_event: Callable[[str, str, str], None],
                 album_every: float = 2.0, record: Path | None = None):
        self.camera = camera
        self.folder = folder
        self.socket = socket
        self.recording = record
        self.started_at = now()
        self.books = Books()
        self.event = on_event
        self.readers = camera.readers  # that the running ring has room for
        self._tasks: set[asyncio.Task] = set()
        self._faults = Throttle()  # events of what went wrong in here
        self._starting = asyncio.Lock()  # held while a process is made: who stops it must know it
        self._stopping = False
        self._album_every = album_every
        self._said: messages.Said | None = None  # by capture, the last time
        self._pulse = Pulse(camera.ring.stall_timeout, TICK)
        for sub in ("logs", "album"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        self.capture = self._watch(CAPTURE, Level.CRITICAL, Lifecycle(None, longest_delay=30.0, patience=SILENT))
        self.workers = {worker.name: self._watch_worker(worker) for worker in wanted(camera, folder)}
        self.listener = Listener(socket, camera.ring.stall_timeout, self._crossed,
                                 lambda name, text: self._complain(self.workers.get(name) or self.capture, text))

    @property
    def everybody(self) -> list[Watched]:
        return [self.capture, *self.workers.values()]

    async def start(self) -> None:
        self.started_at = now()
        for watched in self.everybody:
            if watched.life.phase is Phase.GIVEN_UP:  # by the manager before this one
                self.event("give-up", watched.record.name, f"still: {watched.life.reason}")
            else:
                await self._start(watched)
        self._listen()
        self._run(self._ticks())

    async def stop(self) -> None:
        """The camera first: its end of stream lets everybody finish what they have."""
        self._stopping = True
        async with self._starting:
            for watched in self.everybody:
                watched.life.stop()
        for task in self._tasks:
            task.cancel()
        self.capture.child.send_signal(signal.SIGTERM)
        await _end(self.everybody, LEAVE)
        await self.listener.stop()
        with contextlib.suppress(OSError):
            self.socket.unlink(missing_ok=True)  # a process that had to be killed leaves it
        self._remove_results(self.workers.values())

    def _remove_results(self, gone: Iterable[Watched]) -> None:
        """A process that had to be killed leaves its socket, and each its folder. A worker that others start does as it likes."""
        for path in (results_path(self.socket, watched.record.name) for watched in gone if not watched.is_foreign):
            with contextlib.suppress(OSError):  # another camera's worker of that name has the folder
                path.unlink(missing_ok=True)
                path.parent.rmdir()

    async def change(self, camera: Camera) -> None:
        """Workers come and go as the new description says; the camera and whoever is in both goes on."""
        self.camera = camera
        new = {worker.name: worker for worker in wanted(camera, self.folder)}
        gone = [watched for name, watched in self.workers.items()
                if name not in new or not _same_process(watched.worker, new[name])]
        async with self._starting:
            for watched in gone:
                del self.workers[watched.record.name]
                watched.life.stop()
                watched.child.send_signal(signal.SIGTERM)
        await _end(gone, 2.0)
        for watched in gone:
            if watched.record.name not in new:
                self.event("stop", watched.record.name, "the file has it no more")
        self._tell_limits()
        for name, worker in new.items():
            if known := self.workers.get(name):
                known.settings, known.level = worker, worker.level
                known.life.budget, known.life.window, known.life.grace = _rules(worker)
                known.life.has_fallback = bool(worker.fallback)
                if known.life.phase is Phase.GIVEN_UP:
                    known.life.forgive()
                    await self._start(known)
                    self.event("start", name, f"pid {known.child.pid}, tried again")
            else:
                self.workers[name] = watched = self._watch_worker(worker)
                before = next((old for old in gone if old.record.name == name), None)
                if before:  # its lane goes on counting
                    watched.record = before.record
                await self._start(watched)
                self.event("start", name, f"pid {watched.child.pid}, {'changed' if before else 'new'} in the file")
        self.workers = {name: self.workers[name] for name in new}  # in the file's order
        self._listen()
        self._remove_results(watched for watched in gone if watched.record.name not in new)

    def latencies(self, worker: str) -> Iterable[float]:
        """Capture to result, s."""
        results = self.listener.results.get(worker)
        return results.latencies if results else ()

    def history(self) -> dict:
        """For restore() in another manager, or of the same camera when it comes back."""
        return {"at": time.time(), "children": {watched.record.name: watched.history(now())
                                                for watched in self.everybody}}

    def restore(self, history: dict) -> None:
        """Raises if it is not right; whoever was told of before that has its history."""
        told = Fields("the history", history)
        passed = max(0.0, time.time() - told.number("at"))
        children = history.get("children")
        if not isinstance(children, dict):
            raise Refused("the history: children: a table is needed")
        for watched in self.everybody:
            if watched.record.name in children:
                watched.restore(children[watched.record.name], now(), passed)

    # Messages of children

    def _hear(self, watched: Watched, line: bytes) -> None:
        """The border: whatever a child wrote, and whatever comes of it, is an event at most."""
        try:
            message = channel.parse(line)
            if watched is self.capture:
                self._from_capture(messages.from_capture(message))
            else:
                self._from_worker(watched, messages.from_worker(message))
        except Exception as error:
            self._complain(watched, f"a line of it was refused: {explain(error)}")

    def _from_capture(self, message: messages.Stats | messages.Health | messages.Said) -> None:
        match message:
            case messages.Stats():
                self._take_stats(message)
            case messages.Health() if not self._stopping:  # at the end everybody leaves
                self._take_health(message)
            case messages.Said():
                if message != self._said or not self._is_old_news(self.capture):
                    self._say(self.capture, message.kind, message.text)
                self._said = message

    def _take_health(self, message: messages.Health) -> None:
        watched = self.workers.get(message.worker)
        if message.state != message.before:  # else it only says how things are
            self._tell(watched or self.capture, message.worker, f"{message.before} → {message.state}: {message.reason}")
        if watched:
            self._health(watched, message.state, message.reason)
        elif branch := self.books.branches.get(message.worker):
            branch.took_state(message.state, message.reason, now())

    def _take_stats(self, message: messages.Stats) -> None:
        self.books.took(message, now())
        if message.last:  # its last words are no sign of life
            return
        self._pulse.heard(self.books.supply["received"])
        self.capture.life.went_on()
        for lane in message.lanes:
            if watched := self.workers.get(lane.worker):
                before = watched.record.account.delivered
                watched.record.took_stats(lane, now())
                if watched.record.account.delivered != before:
                    watched.life.went_on()
                # A message tells only what changes; a lane of a new publisher may be as well as it was at the old one.
                if lane.is_active and lane.pid == watched.child.pid and lane.state not in ("", watched.record.state):
                    self._health(watched, lane.state, lane.reason)
        if self.capture.life.phase is Phase.STARTING:
            self._look_at_camera()

    def _look_at_camera(self) -> None:
        state, reason = self._pulse.look()
        record = self.capture.record
        if state != record.state and not (self._is_old_news(self.capture) and "ok" not in (state, record.state)):
            self._tell(self.capture, CAPTURE, f"{record.state} → {state}" + (f": {reason}" if reason else ""))
        self._health(self.capture, state, reason)

    def _from_worker(self, watched: Watched, message) -> None:
        record = watched.record
        match message:
            case messages.Frame():
                record.took_frame(message, now())
            case messages.Report():
                record.report = message.values
            case messages.Trigger():
                self._trigger(watched, message)
            case messages.Bye():
                watched.said_bye = True
                record.lost_lines += message.lost
            case messages.Said():
                self._say(watched, message.kind, message.text)

    def _trigger(self, watched: Watched, message: messages.Trigger) -> None:
        """Something worth keeping was seen: an event, which the recorder is told of."""
        self._say(watched, "trigger", message.label)
        if recorder := self.workers.get(RECORDER):
            recorder.child.send("event", worker=watched.record.name, at=time.time(), **message.fields())

    def _listen(self) -> None:
        self.listener.keep_to([name for name in self.workers if name != RECORDER], self.camera.zones)

    def _crossed(self, name: str, crossing: Crossing, sequence: int) -> None:
        """Something entered, stayed in or left a zone: an event, and but for the leaving a trigger for the recorder."""
        if watched := self.workers.get(name):
            self._say(watched, "zone", str(crossing))
        else:  # the file has it no more
            self.event("zone", name, str(crossing))
        if crossing.kind != "leave" and (recorder := self.workers.get(RECORDER)):
            recorder.child.send("event", worker=name, label=crossing.zone, seq=sequence)

    def _say(self, watched: Watched, kind: str, text: str) -> None:
        """An event as often as a child likes, but not more often than anybody wants to read."""
        self._now_and_then(watched.chatter, kind, watched.record.name, text)

    def _tell(self, watched: Watched, name: str, text: str) -> None:
        """A change of state. Readers that come and go all the time must not fill the log either."""
        self._now_and_then(watched.news, "health", name, text)

    def _complain(self, watched: Watched, text: str) -> None:
        self._now_and_then(watched.complaints, "warning", watched.record.name, text)

    def _now_and_then(self, throttle: Throttle, kind: str, name: str, text: str) -> None:
        held_back = throttle.let(now())
        if held_back is not None:
            self.event(kind, name, text + (f" ({held_back} more were held back)" if held_back else ""))

    # Decisions of the policy

    def _health(self, watched: Watched, state: str, reason: str) -> None:
        watched.record.took_state(state, reason, now())
        self._act(watched, watched.life.health(state, now()))

    def _ended(self, watched: Watched, reason: str) -> None:
        with self._watching():
            self._exited(watched, reason)

    def _exited(self, watched: Watched, reason: str) -> None:
        if not watched.said_bye:
            watched.record.abrupt_ends += 1
        if watched is self.capture and not self._stopping:
            for worker in self.workers.values():
                if worker.life.phase is Phase.RUNNING:
                    self._health(worker, "starved", "the camera's capture process is gone")
        action = watched.life.exited(reason, now())
        if watched.life.phase is not Phase.STOPPED:
            if watched.settings is None or watched.life.phase is Phase.GIVEN_UP or self.capture.child.pid is None:
                watched.record.took_state("dead", reason, now())  # else its lane says so
            if not self._is_old_news(watched):
                self.event("exit", watched.record.name, reason)
            elif watched.life.failures == QUIET_AFTER:
                self.event("outage", CAPTURE, f"{reason}; it goes on trying, without further word")
        self._act(watched, action)

    def _is_old_news(self, watched: Watched) -> bool:
        return watched is self.capture and watched.life.failures >= QUIET_AFTER

    def _act(self, watched: Watched, action) -> None:
        name = watched.record.name
        match action:
            case Kill(reason):
                self.event("kill", name, f"pid {watched.child.pid}: {reason}")
                watched.child.send_signal(signal.SIGKILL)  # the only one that a stopped process obeys
            case Start(delay, _):
                self._run(self._start_again(watched, delay, "restart"))
            case FallBack(delay, reason):
                self.event("give-up", name, f"{reason}; its fallback takes over")
                self._run(self._start_again(watched, delay, "fallback"))
            case Leave(reason):
                self.event("left", name, f"{reason}; others start it" if watched.is_foreign else reason)
            case GiveUp(reason):
                self.event("give-up", name, f"{reason}; the others go on without it")

    async def _start_again(self, watched: Watched, delay: float, kind: str) -> None:
        await asyncio.sleep(delay)
        if watched.life.phase is not Phase.IDLE:  # stopped, or forgiven and started, meanwhile
            return
        watched.record.restarts += 1
        await self._start(watched)
        if not self._is_old_news(watched):
            self.event(kind, watched.record.name, f"pid {watched.child.pid}, after {delay:.2f} s")

    # Processes

    def _watch_worker(self, worker: Worker) -> Watched:
        budget, window, grace = _rules(worker)
        life = Lifecycle(budget, window, grace, fallback=bool(worker.fallback), patience=self.camera.ring.stall_timeout)
        watched = self._watch(worker.name, worker.level, life)
        watched.settings = worker
        return watched

    def _watch(self, name: str, level: Level, life: Lifecycle) -> Watched:
        child = Child(name, self.folder / "logs" / f"{name}.log", lambda line: self._hear(watched, line),
                      lambda reason: self._ended(watched, reason), lambda text: self._complain(watched, text))
        watched = Watched(level, child, life, Record(name))
        return watched

    async def _start(self, watched: Watched) -> None:
        async with self._starting:
            if watched.life.phase is Phase.STOPPED:
                return
            watched.said_bye = False
            watched.life.started(now())
            if watched.is_foreign:
                return
            if watched is self.capture:
                self._begin_books()
            try:
                await watched.child.start(*self._command(watched))
            except Exception as error:
                self._exited(watched, f"could not be started: {explain(error)}")
        if watched is self.capture:
            self._tell_limits()

    def _begin_books(self) -> None:
        self.books.begin()
        for worker in self.workers.values():
            worker.record.begin_books()
        self._pulse.begin()
        self.readers = self.camera.readers

    def _command(self, watched: Watched) -> tuple[list[str], dict[str, str], int]:
        """Words, environment and niceness."""
        worker, ring = watched.settings, self.camera.ring
        if worker is None:
            words = [*program(self.camera.capture), "--input", self.camera.input, "--socket", str(self.socket),
                     "--readers", str(self.readers), "--depth", str(ring.depth), "--max-held", str(ring.max_held),
                     "--stall-timeout", str(ring.stall_timeout), "--reconnect", str(ring.reconnect)]
            return words + (["--record", str(self.recording)] if self.recording else []), {}, 0
        environment = {"SHMRING_PATH": str(self.socket), "CAMERA_NAME": self.camera.name, "WORKER_NAME": worker.name,
                       "WORKER_POLICY": worker.policy, "WORKER_DEPTH": str(worker.depth),
                       "ALBUM": str(self.folder / "album"), "ALBUM_EVERY": str(self._album_every),
                       **dict(worker.environment)}
        return program(worker.fallback if watched.life.fell_back else worker.command), environment, worker.nice

    def _tell_limits(self) -> None:
        """Limits of each lane's losses and ages, so that `slow` means: below its level."""
        self.capture.child.send("limits", workers={name: asdict(watched.worker.limits)
                                                   for name, watched in self.workers.items()})

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            with self._watching():
                if self.capture.life.phase is Phase.RUNNING:
                    self._look_at_camera()
                self.listener.look(TICK)
                judged = self.capture.life.phase is Phase.RUNNING
                for watched in self.everybody:
                    waited = watched.child.waited_for_cpu()
                    self._act(watched, watched.life.tick(now(), judged or watched is self.capture, waited))

    @contextlib.contextmanager
    def _watching(self):
        """A mistake in here costs one step and is told; it does not end the watching."""
        try:
            yield
        except Exception as error:
            logging.exception("camera %s", self.camera.name)
            self._now_and_then(self._faults, "error", "manager", f"internal: {explain(error)}")

    def _run(self, work) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        with self._watching():
            if not task.cancelled():
                task.result()


def wanted(camera: Camera, folder: Path) -> tuple[Worker, ...]:
    """The workers of the file, and the recorder that [recorder] and [clips] start."""
    if not camera.records:
        return camera.workers
    tables: dict = {name: table for name, table in (("recorder", camera.recorder), ("clips", camera.clips)) if table is not None}
    settings = parse_recording(camera.recorder, camera.clips, [worker.name for worker in camera.workers])
    if settings.objects:
        tables["workers"] = settings.objects  # no others: the recorder goes on when they come and go
    return *camera.workers, Worker(
        RECORDER, ("python3", "-m", "surveillance.recording"), settings.level, "drop-newest", depth=settings.depth,
        nice=settings.nice, limits=settings.level.limits, restarts=settings.restarts,
        environment=(("RECORDER", json.dumps(tables)), ("RECORDINGS", str(folder / "recordings"))))


def _rules(worker: Worker) -> tuple[int, float, float]:
    return worker.restarts, worker.window, worker.grace


def _same_process(old: Worker, new: Worker) -> bool:
    """Tells whether what runs need not be touched."""
    def starts(worker):
        return worker.command, worker.policy, worker.depth, worker.nice, worker.environment, worker.fallback
    return starts(old) == starts(new)


async def _end(group: list[Watched], patience: float) -> None:
    """Waits for them to end; then asks, then insists."""
    for number, seconds in ((None, patience), (signal.SIGTERM, 2.0), (signal.SIGKILL, KILLED)):
        for watched in group:
            if number and watched.child.pid:
                watched.child.send_signal(number)
        if all(await asyncio.gather(*(watched.child.gone(seconds) for watched in group))):
            return
