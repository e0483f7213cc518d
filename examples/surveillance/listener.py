# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the rings of results of a camera's workers, in the manager's event loop: one task a worker, each with bounds of its own.

A worker may never make such a ring, send anything, or as much as it likes: what is no result is refused and counted, a flood is read no
faster and lost on the worker's own ring, and one of junk is left alone for a while.
"""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from .record import Record, now
from .result_sender import MOST_SOCKET, make_folder, results_path
from .results import Results
from .throttle import Allowance
from .untrusted import clean, explain
from .zones import Crossing, Zone

PER_SECOND, BURST = 100, 200  # results; one of many objects counts as several
ORDINARY = 50  # objects
MOST_REFUSED = 200  # a second; a ring with more is left alone for a while
DEPTH = 16  # results that may wait
AGAIN = 5.0  # s, then it is tried again


class Listener:
    """`on_crossing` gets a worker's name, what happened and the frame's number; `on_trouble` a worker's name and a sentence."""

    def __init__(self, ring: Path, stall_timeout: float, on_crossing: Callable[[str, Crossing, int], None],
                 on_trouble: Callable[[str, str], None]):
        self.results: dict[str, Results] = {}
        self._ring = ring
        self._stall_timeout = stall_timeout
        self._on_crossing = on_crossing
        self._on_trouble = on_trouble
        self._tasks: dict[str, asyncio.Task] = {}
        self._readers: dict[str, tuple] = {}  # and the results of each

    @property
    def records(self) -> list[Record]:
        """Of the rings that are, or were, there."""
        return [results.record for results in self.results.values() if results.record.generation]

    def keep_to(self, workers: list[str], zones: tuple[Zone, ...]) -> None:
        """Reads the results of these from now on, and of no others."""
        for name in [name for name in self._tasks if name not in workers]:
            self._tasks.pop(name).cancel()
            self._tell(name, self.results.pop(name).presence.end())
        for name in workers:
            if name in self.results:
                self._tell(name, self.results[name].presence.change(zones))
            else:
                self.results[name] = Results(name, zones, self._stall_timeout)
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._listen(name, self.results[name]))

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look(self, passed: float) -> None:
        """Now and then; `passed`: seconds that were watched since."""
        for name, (reader, results) in list(self._readers.items()):
            refused = results.refused
            self._tell(name, results.look(reader.stats(), reader.connected, passed, now()))
            if results.refused > refused:
                self._on_trouble(name, f"what it sent is no result: {clean(reader.refusal)}")
            if results.refused - refused > MOST_REFUSED * passed:
                self._tasks[name].cancel()
                self._tasks[name] = asyncio.create_task(self._listen(name, results, AGAIN))

    async def _listen(self, name: str, results: Results, delay: float = 0.0) -> None:
        path = results_path(self._ring, name)
        if len(os.fsencode(path)) > MOST_SOCKET:
            self._on_trouble(name, f"its results are not read: the path of a socket has at most {MOST_SOCKET} bytes, {path} has more")
            return
        told = ""
        while True:
            await asyncio.sleep(delay)
            try:
                make_folder(path)  # of the worker, which may have no right to make it
                await self._read(name, path, results)
            except ImportError as error:
                self._on_trouble(name, f"its results are not read: {explain(error)}")
                return
            except Exception as error:  # of the reader; what a result means is told where it comes in
                if told != (told := explain(error)):  # it may stay so for ever
                    self._on_trouble(name, f"its results cannot be read: {told}")
            delay = AGAIN

    async def _read(self, name: str, path: Path, results: Results) -> None:
        import shmring  # here: without it everything but results goes on
        pace = Allowance(PER_SECOND, BURST)
        results.begin()
        with shmring.ResultReader(path, "manager", depth=DEPTH) as reader:
            self._readers[name] = reader, results
            try:
                while True:
                    async for result in reader:
                        self._tell(name, results.took(result, now(), time.time()), result.sequence)
                        if wait := pace.spend(1 + len(result.objects) / ORDINARY, now()):
                            await asyncio.sleep(wait)
                    await asyncio.sleep(0.5)  # its worker ended; the next one comes
            finally:
                del self._readers[name]

    def _tell(self, name: str, crossings: list[Crossing], sequence: int | None = None) -> None:
        for crossing in crossings:
            self._on_crossing(name, crossing, sequence or 0)
