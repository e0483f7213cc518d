# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many cameras, each with its own supervisor, capture process, socket and workers: none can take another with it."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from . import state
from .config import Camera, Config, ConfigError
from .events import Event, Events
from .reload import plan
from .supervisor import Supervisor

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
        try:
            self._before, self._complaint = state.load(self._state_file), ""
        except (ValueError, OSError) as error:
            self._before, self._complaint = {}, str(error)
        self._log = Events(self._before.get("next_event", 1))
        self._known: dict[str, dict] = self._before.get("cameras", {})  # histories of cameras that do not run (yet)
        self._changing = asyncio.Lock()
        self._saving: asyncio.Task | None = None
        self._cannot_save = ""
        self.cameras = {camera.name: self._supervise(camera) for camera in config.cameras}

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
        if self._complaint:
            self.event("", "warning", "manager", self._complaint)
        if self._before:
            clean = "" if self._before.get("ended") else ", which was killed"
            self.event("", "start", "manager", f"pid {os.getpid()} continues after pid {self._before.get('pid')}{clean}")
        else:
            self.event("", "start", "manager", f"pid {os.getpid()}")
        if self._leftovers:
            self.event("", "kill", "manager", f"left over: {', '.join(map(str, self._leftovers))}")
        async with self._changing:
            await asyncio.gather(*(supervisor.start() for supervisor in self.cameras.values()))
        self.subscribe(lambda event: event.kind in DECISIONS and self.save())
        self._saving = asyncio.create_task(self._save_now_and_then())
        self.save()

    async def stop(self) -> None:
        async with self._changing:
            if self._saving:
                self._saving.cancel()
            await asyncio.gather(*(supervisor.stop() for supervisor in self.cameras.values()))
        self.event("", "stop", "manager", "everybody has ended")
        self.save(ended=True)
        os.close(self._lock)

    async def reload(self, read: Callable[[], Config]) -> bool:
        """Workers and cameras come and go as the new description says. One that is wrong is told and changes nothing."""
        async with self._changing:
            try:
                config = read()
                steps = plan(self.config, config, {name: one.readers for name, one in self.cameras.items()})
            except ConfigError as error:
                self.event("", "error", "manager", f"nothing was changed: {error}")
                return False
            if config.web != self.config.web:
                self.event("", "warning", "manager", "[web] counts from the manager's next start")
            self.event("", "reload", "manager", "the file was read again")
            self.config = config
            await asyncio.gather(*(self._end(name) for name in steps.stop))
            for camera in steps.start:  # also one that begins anew: its counters go on
                self.cameras[camera.name] = self._supervise(camera)
            await asyncio.gather(*(self.cameras[camera.name].change(camera) for camera in steps.change),
                                 *(self.cameras[camera.name].start() for camera in steps.start))
            self.cameras = {camera.name: self.cameras[camera.name] for camera in config.cameras}  # in the file's order
            self.save()
            return True

    def save(self, ended: bool = False) -> None:
        try:
            state.save(self._state_file, pid=os.getpid(), ended=ended, next_event=self._log.next_id,
                       cameras=self._known | {name: one.history() for name, one in self.cameras.items()})
            self._cannot_save = ""
        except OSError as error:
            if str(error) != self._cannot_save:  # told once
                self._cannot_save = str(error)
                self.event("", "warning", "manager", f"its state cannot be saved: {error}")

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.json"

    def _supervise(self, camera: Camera) -> Supervisor:
        def on_event(kind: str, worker: str, text: str) -> None:
            self.event(camera.name, kind, worker, text)
        supervisor = Supervisor(camera, self.sockets / f"{camera.name}.sock", self.folder / camera.name, on_event,
                                **self._options)
        if history := self._known.pop(camera.name, None):
            with contextlib.suppress(KeyError, TypeError):  # of another version: begin anew
                supervisor.restore(history)
        return supervisor

    async def _end(self, name: str) -> None:
        supervisor = self.cameras.pop(name)
        await supervisor.stop()
        self._known[name] = supervisor.history()
        self.event(name, "stop", "", "this camera has ended")

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            self.save()
