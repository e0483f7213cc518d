# SPDX-License-Identifier: LGPL-2.1-or-later
"""Retention of a folder: its size, its age and the disk's free space are bounded, and the oldest goes first.

Touches only files with the recorder's names. Ages run by the monotonic clock: a wall clock that is set, which happens on
every machine without a battery, neither deletes anything nor keeps it for ever.
"""

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from .config import Limits

NAME = re.compile(r"(\d{8}T\d{6}\.\d{3}Z[\w.-]*?)\.(mkv|coco\.json|json)")
TEMPORARY = ".part"
FAR = 10**9  # seconds


def name_of(utc: float, label: str = "") -> str:
    """A name by the time in UTC; they sort by time. A label is cut to what a file name is safe with."""
    moment = datetime.fromtimestamp(round(utc, 3), timezone.utc)
    label = re.sub(r"[^\w-]+", "-", label).strip("-")[:40]
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z" + (f"-{label}" if label else "")


def unused(folder: Path, name: str) -> str:
    """The name, or with a number where there is one of that name already (the clock was set back)."""
    candidates = (name if number == 1 else f"{name}.{number}" for number in range(1, FAR))
    return next(free for free in candidates if not os.path.lexists(folder / f"{free}.mkv"))


@dataclass
class _Item:
    born: float  # monotonic seconds
    files: list[str] = field(default_factory=list)
    bytes: int = 0


class Retention:
    def __init__(self, folder: Path, limits: Limits, monotonic: Callable[[], float] = time.monotonic,
                 utc: Callable[[], float] = time.time):
        self._folder = folder
        self._limits = limits
        self._monotonic = monotonic
        self._utc = utc
        self._born: dict[str, float] = {}
        self.count = 0
        self.bytes = 0
        self.free = 0
        self.deleted = 0

    def clean(self) -> None:
        """At the start: makes the folder, removes what a killed process left unfinished."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for entry in os.scandir(self._folder):
            with contextlib.suppress(FileNotFoundError):
                ours = NAME.fullmatch(entry.name) or (entry.name.startswith(".") and entry.name.endswith(TEMPORARY))
                if ours and entry.is_file(follow_symlinks=False):
                    empty = entry.stat(follow_symlinks=False).st_size == 0
                    if empty or not NAME.fullmatch(entry.name):
                        os.unlink(entry.path)

    def apply(self, writing: str | None = None) -> None:
        """Deletes what is too much, but never what is being written. OSError if there is no room even so."""
        now = self._monotonic()
        items = self._items(now)
        self._look_at_disk(items)
        for name in sorted(items, key=lambda name: (items[name].born, name)):
            if not (self.bytes > self._limits.size or self.free < self._limits.keep_free
                    or now - items[name].born > self._limits.age):
                break
            if name != writing:
                self._delete(items.pop(name), name)
                self._look_at_disk(items)
        if self.free < self._limits.keep_free:
            raise OSError(errno.ENOSPC, f"{self.free / 1e6:.1f} MB are free, and keep-free is {self._limits.keep_free / 1e6:g} MB")

    def _items(self, now: float) -> dict[str, _Item]:
        items: dict[str, _Item] = {}
        for entry in os.scandir(self._folder):
            if not (match := NAME.fullmatch(entry.name)):
                continue
            try:
                stat = entry.stat(follow_symlinks=False)
                if not entry.is_file(follow_symlinks=False):
                    continue  # a folder, a link, a FIFO of such a name is not ours
            except FileNotFoundError:
                continue
            born = self._born.get(match[1], now - max(0.0, self._utc() - stat.st_mtime))
            item = items.setdefault(match[1], _Item(born))
            item.files.append(entry.name)
            item.bytes += stat.st_blocks * 512
        self._born = {name: item.born for name, item in items.items()}
        return items

    def _look_at_disk(self, items: dict[str, _Item]) -> None:
        disk = os.statvfs(self._folder)
        self.free = disk.f_bavail * disk.f_frsize
        self.count = len(items)
        self.bytes = sum(item.bytes for item in items.values())

    def _delete(self, item: _Item, name: str) -> None:
        for file in sorted(item.files):  # .json before .mkv: no sidecar is ever without its clip
            (self._folder / file).unlink(missing_ok=True)
        del self._born[name]
        self.deleted += 1
