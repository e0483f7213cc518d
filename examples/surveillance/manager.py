# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many cameras, each with its own supervisor, capture process, socket and workers: none can take another with it."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path

from . import state
from .config import Camera, Config
from .events import Event, Events
from .reload import plan
from .supervisor import Supervisor
from .untrusted import explain

MOST_KNOWN = 1000  # cameras that once were, whose counters are kept
SAVE_EVERY = 5.0  # s, for the counters; decisions are saved at once
DECISIONS = ("exit", "restart", "fallback", "give-up", "start", "stop")


class Manager:
    """`folder` keeps the state and a folder for each camera; `sockets` is where `CAMERA.sock` are made, which containers
    share. Only one manager runs on a folder: the second raises state.InUse."""

    def __init__(self, config: Config, folder: Path, sockets: Path, **options):
        """`options` go to each camera's supervisor."""
        self.config = config
        self.folder = folder
        self.sockets = sockets
        self.started_at = time.time()
        self._options = options
        self._lock = state.lock(folder)
        os.environ[state.MARK] = str(folder)
        self._leftovers = state.kill_leftovers(folder)
        self._complaints: list[str] = []  # of what was found at the start; told once there is a listener
        try:
            self._before = state.load(self._state_file)
        except Exception as error:  # of whatever is in that file
            self._before = state.Before()
            self._complaints.append(explain(error))
        self._log = Events(self._before.next_event)
        self._known: dict[str, dict] = dict(self._before.cameras)  # histories of cameras that do not run (yet)
        self._changing = asyncio.Lock()
        self._saving: asyncio.Task | None = None
        self._cannot_save = ""
        self.cameras = {camera.name: self._supervise(camera) for camera in config.cameras}
        for supervisor in self.cameras.values():
            self._restore(supervisor)

    @property
    def events(self):
        """The newest events, oldest first."""
        return self._log.kept

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        return self._log.subscribe(callback)

    def event(self, camera: str, kind: str, worker: str, text: str) -> None:
        self._log.add(camera, kind, worker, text)

    async def start(self) -> None:
        self.started_at = time.time()
        for complaint in self._complaints:
            self.event("", "warning", "manager", complaint)
        if self._before.pid:
            how = "" if self._before.ended else ", which was killed"
            self.event("", "start", "manager", f"pid {os.getpid()} continues after pid {self._before.pid}{how}")
        else:
            self.event("", "start", "manager", f"pid {os.getpid()}")
        if self._leftovers:
            self.event("", "kill", "manager", f"left over: {', '.join(map(str, self._leftovers))}")
        async with self._changing:
            await self._all((name, supervisor.start()) for name, supervisor in self.cameras.items())
        self.subscribe(self._save_decision)
        self._saving = asyncio.create_task(self._save_now_and_then())
        self.save()

    def _save_decision(self, event: Event) -> None:
        if event.kind in DECISIONS:
            self.save()

    async def stop(self) -> None:
        async with self._changing:
            if self._saving:
                self._saving.cancel()
            await self._all((name, supervisor.stop()) for name, supervisor in self.cameras.items())
        if left := state.kill_leftovers(self.folder):  # processes of their own sessions that children started
            self.event("", "kill", "manager", f"left over: {', '.join(map(str, left))}")
        self.event("", "stop", "manager", "everybody has ended")
        self.save(ended=True)
        os.close(self._lock)

    async def reload(self, read: Callable[[], Config]) -> bool:
        """Workers and cameras come and go as the new description says. One that is wrong in any way is told and changes nothing."""
        async with self._changing:
            try:
                config = read()
                steps = plan(self.config, config, {name: one.readers for name, one in self.cameras.items()})
                new = {camera.name: self._supervise(camera) for camera in steps.start}  # makes their folders
            except Exception as error:
                self.event("", "error", "manager", f"nothing was changed: {explain(error)}")
                return False
            if config.web != self.config.web:
                self.event("", "warning", "manager", "[web] counts from the manager's next start")
            self.event("", "reload", "manager", "the file was read again")
            self.config = config
            await self._all((name, self._end(name)) for name in steps.stop)
            for supervisor in new.values():  # also of one that begins anew: its counters go on
                self._restore(supervisor)
            self.cameras |= new
            await self._all([*((camera.name, self.cameras[camera.name].change(camera)) for camera in steps.change),
                             *((name, supervisor.start()) for name, supervisor in new.items())])
            self.cameras = {camera.name: self.cameras[camera.name] for camera in config.cameras}  # in the file's order
            self.save()
            return True

    def save(self, ended: bool = False) -> None:
        try:
            state.save(self._state_file, pid=os.getpid(), ended=ended, next_event=self._log.next_id,
                       cameras=self._known | {name: one.history() for name, one in self.cameras.items()})
            self._cannot_save = ""
        except Exception as error:
            if explain(error) != self._cannot_save:  # told once
                self._cannot_save = explain(error)
                self.event("", "warning", "manager", f"its state cannot be saved: {self._cannot_save}")

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.json"

    def _supervise(self, camera: Camera) -> Supervisor:
        def on_event(kind: str, worker: str, text: str) -> None:
            self.event(camera.name, kind, worker, text)
        return Supervisor(camera, self.sockets / f"{camera.name}.sock", self.folder / camera.name, on_event, **self._options)

    def _restore(self, supervisor: Supervisor) -> None:
        name = supervisor.camera.name
        if history := self._known.pop(name, None):
            try:
                supervisor.restore(history)
            except Exception as error:  # of another version, or of other hands
                self._complain(f"{name}: not all of its history could be understood, the rest begins anew: {explain(error)}")

    def _complain(self, text: str) -> None:
        if self._saving:
            self.event("", "warning", "manager", text)
        else:
            self._complaints.append(text)

    async def _all(self, works: Iterable[tuple[str, Coroutine]]) -> None:
        """All of them at once, by camera; one that fails is told and takes no other with it."""
        names, coroutines = zip(*works) if (works := list(works)) else ((), ())
        for name, result in zip(names, await asyncio.gather(*coroutines, return_exceptions=True)):
            if isinstance(result, Exception):
                logging.error("camera %s", name, exc_info=result)
                self.event(name, "error", "manager", f"internal: {explain(result)}")

    async def _end(self, name: str) -> None:
        supervisor = self.cameras.pop(name)
        try:
            await supervisor.stop()
        finally:
            self._known[name] = supervisor.history()
            while len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        self.event(name, "stop", "", "this camera has ended")

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            self.save()
