# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many cameras, each with its own supervisor, capture process, socket and workers: none can take another with it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from .config import Camera, Config
from .events import Event, Events
from .supervisor import Supervisor


class Manager:
    """`folder` keeps a folder for each camera; `sockets` is where `CAMERA.sock` are made, which containers share."""

    def __init__(self, config: Config, folder: Path, sockets: Path, **options):
        """`options` go to each camera's supervisor."""
        self.config = config
        self.folder = folder
        self.sockets = sockets
        self.started_at = time.time()
        self._log = Events()
        self._options = options
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
        await asyncio.gather(*(supervisor.start() for supervisor in self.cameras.values()))

    async def stop(self) -> None:
        await asyncio.gather(*(supervisor.stop() for supervisor in self.cameras.values()))

    def _supervise(self, camera: Camera) -> Supervisor:
        def on_event(kind: str, worker: str, text: str) -> None:
            self.event(camera.name, kind, worker, text)
        return Supervisor(camera, self.sockets / f"{camera.name}.sock", self.folder / camera.name, on_event,
                          **self._options)
