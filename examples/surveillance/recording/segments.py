# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything, for a while: files of some minutes, one after the other, in a thread that may wait for the disk."""

import threading
import time
from pathlib import Path

from .coco import Coco
from .config import Recording
from .disk import Disk
from .film import Film
from .reel import Frame, Reel
from .retention import Retention, name_of, unused

TIDY_EVERY = 5.0  # seconds, and before each new file
SYNC_EVERY = 2.0  # seconds: the most that a power cut costs


class Segments(threading.Thread):
    def __init__(self, reel: Reel, folder: Path, recording: Recording, disk: Disk, camera: str = "camera", software: str = ""):
        super().__init__(name="segments", daemon=True)
        self.disk = disk
        self.written = 0  # frames
        self.lost = 0  # frames that came, and are in no segment
        self.retention = Retention(folder, recording.limits)
        self._reel = reel
        self._folder = folder
        self._seconds = recording.segment
        self._most_bytes = recording.limits.size // 10  # so that there is always something else to delete
        self._has_objects = bool(recording.objects)
        self._camera = camera
        self._software = software
        self._film: Film | None = None
        self._coco: Coco | None = None
        self._needs_key = True
        self._tidied = self._synced = 0.0
        self._clean = False

    @property
    def writing(self) -> str | None:
        film = self._film
        return film.path.name if film else None

    def run(self) -> None:
        number = 1
        while not self._reel.ended or number < self._reel.next_number:
            frame = self._reel.take(number, timeout=1.0)
            self._tidy()
            if frame is None:
                continue
            if frame.number > number:
                self.lost += frame.number - number
                self._needs_key = True
            number = frame.number + 1
            if not self._write(frame):
                self.lost += 1
        self._close()

    def _write(self, frame: Frame) -> bool:
        if not frame.key and self._needs_key:
            return False
        if frame.key and self._film and self._is_over(self._film, frame):
            self._close()
        if self._film is None and not (frame.key and self.disk.may_try()):
            return False
        try:
            with self.disk.call():
                if self._film is None:
                    self._make_room()
                    self._film = Film(self._folder / f"{unused(self._folder, name_of(frame.utc))}.mkv", frame)
                    self._coco = Coco(frame) if self._has_objects else None
                self._film.write(frame)
                if self._coco:
                    self._coco.add(frame)
                if time.monotonic() - self._synced > SYNC_EVERY:
                    self._film.sync()
                    self._synced = time.monotonic()
        except OSError as error:
            self.disk.failed(error)
            self._abandon()
            return False
        self.written += 1
        self._needs_key = False
        self.disk.works()
        return True

    def _is_over(self, film: Film, frame: Frame) -> bool:
        return (frame.at - film.first.at >= self._seconds or film.bytes >= self._most_bytes
                or not frame.caps.is_equal(film.first.caps))

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied < TIDY_EVERY:
            return
        self._tidied = time.monotonic()
        if self._film or self.disk.may_try():
            try:
                with self.disk.call():
                    self._make_room()
            except OSError as error:
                self.disk.failed(error)
                self._close()  # finished with the little space that may be left

    def _make_room(self) -> None:
        if not self._clean:
            self.retention.clean()
            self._clean = True
        self.retention.apply(writing=self._film.path.stem if self._film else None)

    def _close(self) -> None:
        if self._film:
            try:
                with self.disk.call():
                    self._film.close()
                    if self._coco:
                        self._coco.save(self._film.path, self._camera, self._software)
            except OSError as error:
                self.disk.failed(error)
            self._abandon()

    def _abandon(self) -> None:
        if self._film:
            self._film.abandon()
        self._film = self._coco = None
        self._needs_key = True
