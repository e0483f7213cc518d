# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cost of the manager's page for the pipeline: windows of time without a viewer and with five pages and a scrape each second, in
turn, on one running system. A reader of its own notes the age of each frame.

usage: meson devenv -C build env PYTHONPATH=examples:build/shmring/python python3 tests/bench/status_page.py [PAIRS [SECONDS]]
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import aiohttp
import shmring

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python" / "surveillance"))
from real_system import System, eventually  # noqa: E402

PAGES = 5
CONFIGURATION = """
[[camera]]
name = "front"
input = "test"
[camera.ring]
max-readers = 4
[[camera.worker]]
name = "motion"
command = ["python3", "-m", "surveillance.workers.motion"]
level = "critical"
policy = "drop-newest"
"""
FIGURES = (("age p50, us", 0), ("age p99, us", 0), ("drops", 0), ("capture, % of a core", 2), ("manager, % of a core", 2))


def cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Ages(threading.Thread):
    def __init__(self, path: str):
        super().__init__(daemon=True)
        self._path = path
        self.told: list[float] = []

    def run(self) -> None:
        with shmring.Reader(self._path, drop_policy="latest", worker="ages") as reader:
            for frame in reader:
                self.told.append(1e6 * frame.age)
                frame.release()


async def look(address: str) -> None:
    """Five pages as a browser keeps them, with their pictures, and Prometheus; until cancelled."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def page():
            async with session.get(f"{address}/events") as answer:
                async for line in answer.content:
                    if line.startswith(b"event: now"):
                        await fetch("/pictures/front/motion.jpg")

        async def fetch(path):
            async with session.get(address + path) as answer:
                await answer.read()

        async def scrape():
            while True:
                await fetch("/metrics")
                await asyncio.sleep(1)
        await asyncio.gather(scrape(), *(page() for _ in range(PAGES)))


async def window(system: System, ages: Ages, seconds: float, is_looked_at: bool) -> list[float]:
    # A process of its own, or its work would show as age here.
    looking = subprocess.Popen([sys.executable, __file__, system.address]) if is_looked_at else None
    await asyncio.sleep(3)  # the pages open
    capture = system.snapshot()["cameras"][0]
    ages.told.clear()
    before = cpu(capture["pid"]), cpu(system.process.pid)
    await asyncio.sleep(seconds)
    told = sorted(ages.told)
    after = cpu(capture["pid"]), cpu(system.process.pid)
    lost = sum(worker["dropped"] for worker in system.snapshot()["cameras"][0]["workers"]) - sum(
        worker["dropped"] for worker in capture["workers"])
    if looking:
        assert looking.poll() is None, "the pages fell shut"
        looking.kill()
        looking.wait()
    return [told[len(told) // 2], told[int(0.99 * len(told))], lost, *(100 * (new - old) / seconds for new, old in zip(after, before))]


async def measure(pairs: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        system = System(Path(scratch), CONFIGURATION)
        try:
            eventually(lambda: (motion := system.worker("motion")) and motion["delivered"] > 30, "it runs")
            ages = Ages(f"{scratch}/state/front.sock")
            ages.start()
            eventually(lambda: len(ages.told) > 20, "frames come")
            arms: dict[bool, list[list[float]]] = {False: [], True: []}
            for pair in range(pairs):
                for is_looked_at in (False, True) if pair % 2 else (True, False):
                    arms[is_looked_at].append(await window(system, ages, seconds, is_looked_at))
        finally:
            system.stop()
    print(f"{pairs} pairs of {seconds:g} s; each pair's difference: median (least to most)")
    print("| | no page open | 5 pages, a scrape a second | difference |\n|---|---|---|---|")
    for index, (name, digits) in enumerate(FIGURES):
        alone, looked_at = ([told[index] for told in arms[arm]] for arm in (False, True))
        differences = [more - less for more, less in zip(looked_at, alone)]
        print(f"| {name} | {statistics.median(alone):.{digits}f} | {statistics.median(looked_at):.{digits}f} | "
              f"{statistics.median(differences):+.{digits}f} ({min(differences):+.{digits}f} to {max(differences):+.{digits}f}) |")


if __name__ == "__main__" and sys.argv[1:2] and sys.argv[1].startswith("http"):
    asyncio.run(look(sys.argv[1]))
elif __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 8, float(sys.argv[2]) if len(sys.argv) > 2 else 9.0))
