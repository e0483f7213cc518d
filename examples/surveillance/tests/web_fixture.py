# SPDX-License-Identifier: LGPL-2.1-or-later
"""A manager that can be made to say anything, and the page served for it: what tests of the page share."""

import asyncio
import contextlib
import json
import socket
import time
from collections import deque
from pathlib import Path

from surveillance.events import Event
from surveillance.web.server import Web
from surveillance.web.settings import Settings


def account(name, state="ok", **more):
    return {"name": name, "state": state, "reason": "", "since": time.time() - 60, "offered": 100, "delivered": 90, "dropped": 9,
            "pending": 1, **more}


def result(sequence, *boxes, at=None, label="person"):
    """A result as the page gets it."""
    return {"sequence": sequence, "at": at or time.time(), "latency": 0.1, "width": 768, "height": 576, "left_out": 0,
            "objects": [{"label": label, "score": 0.9, "box": list(box), "track": number} for number, box in enumerate(boxes, 1)]}


def worker(name, state="ok", phase="running", **more):
    return account(name, state, **{
        "level": "high", "policy": "latest", "phase": phase, "pid": 4711, "generation": 1, "restarts": 0, "restarts_left": 2,
        "age_p50": 0.012, "age_p99": 0.08, "work_p50": 0.06, "work_p99": 0.09, "found": 17, "level_kept": True,
        "limits": {"drop_rate": 0.1, "frame_age": 0.2}, **more})


def camera(name="front", state="ok", phase="running", workers=(), branches=(), **more):
    return {"name": name, "input": "test", "state": state, "reason": "", "since": time.time() - 60, "phase": phase, "pid": 4710,
            "restarts": 0, "restarts_left": 3, "received": 100, "published": 100, "mailbox_drops": 0,
            "ring": {"slots": 40, "free_slots": 36, "owned": 3, "loaned": 1, "dropped_no_slot": 0},
            "workers": list(workers), "branches": list(branches), "reports": {}, **more}


class Pretend:
    """Has what the page uses of a manager."""

    def __init__(self, folder: Path, *cameras: dict):
        self.folder = folder
        self.cameras = list(cameras)
        self.events: deque[Event] = deque(maxlen=1000)
        self._listeners = []
        self.started_at = time.time()
        self.asked = 0
        self.results: dict[tuple[str, str], dict] = {}  # the newest one of a camera's worker

    def snapshot(self) -> dict:
        self.asked += 1
        return json.loads(json.dumps({"at": time.time(), "started_at": self.started_at, "cameras": self.cameras}))

    def find(self, camera: str, worker: str, _sequence: int | None) -> str | None:
        result = self.results.get((camera, worker))
        return result and json.dumps(result)

    def subscribe(self, callback):
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def event(self, camera="front", kind="health", worker="person", text="ok → slow: late"):
        event = Event(len(self.events) + 1, time.time(), camera, kind, worker, text)
        self.events.append(event)
        for listener in self._listeners:
            listener(event)


@contextlib.asynccontextmanager
async def served(pretend: Pretend, **settings):
    """The page and its address, for as long as the block lasts."""
    web = Web(Settings(port=0, **settings), pretend.snapshot, pretend.events, pretend.subscribe, pretend.folder, pretend.find)
    address = await web.start()
    try:
        yield web, address.rstrip("/")
    finally:
        await web.stop()


async def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.02)
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
