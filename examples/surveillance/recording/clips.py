# SPDX-License-Identifier: LGPL-2.1-or-later
"""What triggers chose: one file a clip, with the seconds before it, and a sidecar; in a thread that may wait for the disk.

A clip has a temporary name until it is whole and on the disk; then it gets its name, and then its sidecar.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from . import sidecar
from .config import Clips as Settings
from .disk import Disk
from .film import Film
from .plan import Plan, Plans, Trigger
from .reel import Frame, Reel
from .retention import TEMPORARY, Retention, name_of, unused

TIDY_EVERY = 5.0  # seconds, and before each new file
PATIENCE = 2.0  # seconds after its end that a clip waits for the frame that shows it


class Clips(threading.Thread):
    def __init__(self, reel: Reel, folder: Path, settings: Settings, disk: Disk, camera: str, software: str,
                 on_clip: Callable[[dict], None] = lambda content: None):
        super().__init__(name="clips", daemon=True)
        self.disk = disk
        self.written = 0  # clips
        self.failed = 0
        self.retention = Retention(folder, settings.limits)
        self.plans = Plans(settings.before, settings.after, settings.longest, settings.per_hour)
        self._changed = threading.Condition()  # guards the plans
        self._reel = reel
        self._folder = folder
        self._camera = camera
        self._software = software
        self._on_clip = on_clip
        self._name_before: str | None = None
        self._tidied = 0.0
        self._clean = False
        self._leaving = False

    @property
    def refused(self) -> int:
        return self.plans.refused

    @property
    def covered(self) -> int:
        return self.plans.covered

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
        if first and first.key and self._film(plan, first):
            self.written += 1
            self.disk.works()
            return
        self.failed += 1
        with self._changed:
            self.plans.refuse(plan)

    def _film(self, plan: Plan, first: Frame) -> bool:
        part = film = None
        try:
            with self.disk.call():
                self._make_room()
                name = unused(self._folder, name_of(first.utc, plan.first.label))
                part = self._folder / f".{name}.mkv{TEMPORARY}"
                film = Film(part, first)
            clip = self._write(plan, film, first)
            with self.disk.call():
                film.close()
                clip |= {"name": f"{name}.mkv", "bytes": part.stat().st_size}
                part.rename(self._folder / clip["name"])
                content = sidecar.describe(plan, clip, self._camera, self._software)
                sidecar.write(self._folder / f"{name}.json", content)
        except OSError as error:
            self.disk.failed(error)
            with contextlib.suppress(OSError):
                if part:
                    part.unlink(missing_ok=True)
            return False
        finally:
            if film:
                film.abandon()
        self._name_before = clip["name"]
        self._tidied = 0.0  # it counts at once
        self._on_clip(content)
        return True

    def _write(self, plan: Plan, film: Film, first: Frame) -> dict:
        number, missed, unwritten, ended, needs_key = first.number, 0, 0, "", True
        while not ended:
            frame = self._reel.take(number, timeout=0.2)
            if frame is None:
                if self._reel.ended:
                    ended = "the recorder stopped"
                elif self._over(plan, time.monotonic() - PATIENCE):
                    ended = "no frame came any more"
            elif self._over(plan, frame.at):
                ended = "it had its full length" if plan.cut else "nothing more happened"
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
                    needs_key = False
                number = frame.number + 1
        with self._changed:
            self._over(plan, float("inf"))
        return {"first": film.first, "last": film.last, "frames": film.frames, "missed": missed, "unwritten": unwritten,
                "ended": ended, "continues": self._name_before if plan.continues else None,
                "format": first.caps.to_string().split(",")[0]}

    def _over(self, plan: Plan, at: float) -> bool:
        with self._changed:
            return self.plans.finished(plan, at)

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
