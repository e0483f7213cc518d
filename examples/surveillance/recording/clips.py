# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clips that triggers chose: one file each, with the seconds before it, and a sidecar; in a thread that may wait for the disk.

A clip has a temporary name until it is whole and on the disk; then it gets its name, and then its sidecar.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from . import sidecar
from .coco import SUFFIX, Coco
from .config import Clips as Settings
from .disk import Disk
from .film import Film
from .plan import Plan, Plans, Trigger
from .reel import Frame, Reel
from .retention import TEMPORARY, Retention, name_of, unused

TIDY_EVERY = 5.0  # seconds, and before each new file
PATIENCE = 2.0  # seconds after its end that a clip waits for its last frame


class Clips(threading.Thread):
    def __init__(self, reel: Reel, folder: Path, settings: Settings, disk: Disk, camera: str, software: str,
                 on_clip: Callable[[dict], object] = lambda content: None, has_objects: bool = False):
        super().__init__(name="clips", daemon=True)
        self.disk = disk
        self.written = 0  # clips
        self.failed = 0
        self.retention = Retention(folder, settings.limits)
        self.plans = Plans(settings.before, settings.after, settings.longest, settings.per_hour)
        self._changed = threading.Condition()  # guards the plans
        self._reel = reel
        self._folder = folder
        self._late = settings.late
        self._camera = camera
        self._software = software
        self._on_clip = on_clip
        self._has_objects = has_objects
        self._name_before: str | None = None
        self._tidied = 0.0
        self._clean = False
        self._leaving = False

    def trigger(self, trigger: Trigger) -> None:
        """Never waits for the disk."""
        oldest = self._reel.oldest()
        held_since = oldest.at if oldest and self.disk.may_try() else float("inf")
        with self._changed:
            self.plans.trigger(trigger, time.monotonic(), held_since)
            self._changed.notify()

    def stop(self) -> None:
        """After the end of the reel: finishes what has begun, and ends."""
        with self._changed:
            self._leaving = True
            self._changed.notify()

    def run(self) -> None:
        while True:
            with self._changed:
                plan = self.plans.next()
                if plan is None and not self._leaving:
                    self._changed.wait(1.0)
                    plan = self.plans.next()
                stop = self._leaving
            self._tidy()
            if plan:
                self._keep(plan)
            elif stop:
                return

    def _keep(self, plan: Plan) -> None:
        first = self._reel.take(self._reel.start_for(plan.begin), timeout=PATIENCE)
        if first and first.key and self._record(plan, first):
            self.written += 1
            self.disk.works()
            return
        self.failed += 1
        with self._changed:
            self.plans.refuse(plan)

    def _record(self, plan: Plan, first: Frame) -> bool:
        name = unused(self._folder, name_of(first.utc, plan.first.label))
        part, whole = self._folder / f".{name}.mkv{TEMPORARY}", self._folder / f"{name}.mkv"
        film, coco = None, Coco(first) if self._has_objects else None
        try:
            with self.disk.call():
                self._make_room()
                film = Film(part, first)
            clip = self._write(plan, film, first, coco)
            with self.disk.call():
                film.close()
                part.rename(whole)
                if coco:
                    coco.save(whole, self._camera, self._software)
                content = sidecar.describe(plan, clip | {"name": whole.name, "bytes": whole.stat().st_size,
                                                         "coco": whole.with_suffix(SUFFIX).name if coco else None},
                                           self._camera, self._software)
                sidecar.write(whole.with_suffix(".json"), content)
        except OSError as error:
            self.disk.failed(error)
            for path in (part, whole, whole.with_suffix(SUFFIX)):
                with contextlib.suppress(OSError):
                    path.unlink()
            return False
        finally:
            if film:
                film.abandon()
        self._name_before = whole.name
        self._tidied = 0.0  # it counts at once
        self._on_clip(content)
        return True

    def _write(self, plan: Plan, film: Film, first: Frame, coco: Coco | None) -> dict:
        number, missed, unwritten, ended, needs_key = first.number, 0, 0, "", True
        while not ended:
            frame = self._reel.take(number, timeout=0.2)
            if frame is None or frame.at > plan.until:
                ended = self._end_of(plan, frame)
                if frame and not ended:
                    time.sleep(0.05)
            elif not frame.caps.is_equal(first.caps):
                ended = "the frames' format changed"
            else:
                if frame is not first:
                    missed += frame.missed
                if frame.number > number:
                    unwritten += frame.number - number
                    needs_key = True
                if needs_key and not frame.key:
                    unwritten += 1
                else:
                    with self.disk.call():
                        film.write(frame)
                    if coco:
                        coco.add(frame)
                    plan.keep(frame.seq, frame.at, frame.utc)
                    needs_key = False
                number = frame.number + 1
        with self._changed:
            self.plans.finished(plan, float("inf"))
        return {"first": film.first, "last": film.last, "frames": film.frames, "missed": missed, "unwritten": unwritten,
                "ended": ended, "continues": self._name_before if plan.continues else None,
                "format": first.caps.to_string().split(",")[0]}

    def _end_of(self, plan: Plan, frame: Frame | None) -> str:
        """Why the clip is over, if it is: not before a trigger that is on its way had its time to extend it."""
        if self._reel.ended and frame is None:
            return "the recorder stopped"
        patience = 0.0 if frame else PATIENCE
        with self._changed:
            if not plan.cut and not self._reel.ended:
                patience = max(patience, self._late)
            if not self.plans.finished(plan, time.monotonic() - patience):
                return ""
        if plan.cut:
            return "it had its full length"
        return "nothing more happened" if frame else "no frame came any more"

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied > TIDY_EVERY and self.disk.may_try():
            self._tidied = time.monotonic()
            try:
                with self.disk.call():
                    self._make_room()
            except OSError as error:
                self.disk.failed(error)

    def _make_room(self) -> None:
        if not self._clean:
            self.retention.clean()
            self._clean = True
        self.retention.apply()
