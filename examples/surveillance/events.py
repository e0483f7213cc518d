# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events as they happen: kept for requests, told to listeners, written as JSON lines."""

import json
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import files
from .logs import LOG_BYTES, Outlet
from .untrusted import clean, explain

KEPT = 1000
MOST_TEXT = 1000  # characters of an event
MOST_NAME = 100


@dataclass(frozen=True)
class Event:
    id: int
    at: float  # unix time, seconds
    camera: str  # "" where it concerns them all
    kind: str  # health, start, restart, kill, left, exit, give-up, fallback, trigger, fault, reload, warning, error, …
    worker: str
    text: str


class Events:
    def __init__(self, first_id: int = 1):
        self.kept: deque[Event] = deque(maxlen=KEPT)
        self._next_id = first_id
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def next_id(self) -> int:
        return self._next_id

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back with each event from now on, from the event loop's thread; the answer ends it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def add(self, camera: str, kind: str, worker: str, text: str) -> None:
        event = Event(self._next_id, time.time(), clean(camera, MOST_NAME), kind, clean(worker, MOST_NAME), clean(text, MOST_TEXT))
        self._next_id += 1
        self.kept.append(event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:  # whoever listens must not stop whoever acts
                logging.exception("a listener failed on %s", event)


def line(event: Event) -> str:
    return json.dumps(asdict(event), ensure_ascii=False)


def to_outlet(outlet: Outlet) -> Callable[[Event], None]:
    return lambda event: outlet.offer(line(event))


def to_file(path: Path) -> Callable[[Event], None]:
    """A file that is renamed to NAME.1 when it is large: it never fills a disk, and a full disk costs lines only."""
    told = ""

    def write(event: Event) -> None:
        nonlocal told
        try:
            files.append(path, line(event).encode() + b"\n", LOG_BYTES)
            told = ""
        except OSError as error:
            if told != (told := explain(error)):
                logging.warning("%s cannot be written: %s", path, told)
    return write
