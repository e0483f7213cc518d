# SPDX-License-Identifier: LGPL-2.1-or-later
"""The end of a program whose daemon threads are inside a call of this module: its own exit status, and not a word."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest
import shmring
from conftest import pattern

# Endless work of a daemon thread. `reader` and `publisher` belong to the program, `path` leads to a live ring, `absent` to none.
WORK = {
    "for": "for frame in reader: frame.array",
    "for-in-with": "with shmring.Reader(path) as mine:\n    for frame in mine: pass",
    "for-with-frame": "for frame in reader:\n    with frame: frame.planes",
    "first-array": "frame = reader.read()\nbegun.set()\nframe.array\nwhile True: reader.read()",
    "next": "while True: next(reader)",
    "read": "while True: reader.read()",
    "read-timeout": "while True: reader.read(0.002)",
    "read-polled": "while True: reader.read(0)",
    "latest": "while True: reader.latest()",
    "latest-timeout": "while True: reader.latest(0.002)",
    "searching": "shmring.Reader(absent).read()",
    "searching-with-timeout": "mine = shmring.Reader(absent)\nwhile True: mine.read(0.002)",
    "flush": "while True: reader.flush()",
    "stats": "while True: reader.stats(); reader.connected; reader.latency",
    "open-and-close": "while True: shmring.Reader(path).read(0.001)",
    "open-and-forget": "while True: mine = shmring.Reader(absent); mine.me = mine; del mine; gc.collect()",
    "generator": "def frames():\n    yield from reader\nfor frame in frames(): pass",
    "gather": "for frames in shmring.gather([reader, shmring.Reader(path)], 1e9): pass",
    "gather-timeout": """
while True:
    try:
        next(shmring.gather([shmring.Reader(absent)], timeout=0.002))
    except shmring.Timeout:
        pass
""",
    "async": """
async def main():
    async for frame in reader: pass
asyncio.run(main())
""",
    "async-searching": """
async def main():
    async for frame in shmring.Reader(absent): pass
asyncio.run(main())
""",
    "publish": "image = bytes(3_000_000)\nwhile True: publisher.publish(image)",
    "publish-loan": "while True:\n    with publisher.loan() as loan: publisher.publish(loan)",
    "publish-array": "while True:\n    with publisher.loan() as loan:\n        loan.array[:10] = 1\n        publisher.publish(loan)",
    "resize": "for size in itertools.count(3_000_000, 4096): publisher.resize(size)",
    "open-publisher": "while True: shmring.Publisher(absent, slot_size=100).close()",
    "inspect": """
while True:
    try:
        shmring.inspect(path)
    except shmring.Refused:  # the publisher had no time yet to see that the ones before are gone
        pass
""",
    "error": "while True:\n    try: shmring.Reader('')\n    except shmring.Invalid: pass",
}
# End of the main thread, the exit status, and the last line that is written to stderr.
LEAVE = {
    "end": ("pass", 0, ""),
    "sys.exit": ("sys.exit(3)", 3, ""),
    "exception": ("raise LookupError('mine')", 1, "LookupError: mine"),
    "os._exit": ("os._exit(4)", 4, ""),
    "ctrl-c": ("signal.raise_signal(signal.SIGINT)", -2, "KeyboardInterrupt"),
    "atexit": ("atexit.register(time.sleep, 0.02)", 0, ""),
}
PROGRAM = """
import asyncio, atexit, gc, itertools, os, signal, sys, threading, time
import shmring
path, absent, own = sys.argv[1:]
reader = shmring.Reader(path, worker="daemon", drop_policy="latest")
publisher = shmring.Publisher(own, slot_size=3_000_000)
begun = threading.Event()
def work():
{work}
threading.Thread(target=work, daemon=True).start()
begun.wait(0.15)
{leave}
"""


@pytest.fixture
def ring(path):
    """A ring into which frames come all the time."""
    stop = threading.Event()

    def publish():
        while not stop.wait(0.002):
            publisher.publish(pattern(48, 64), pts=time.monotonic_ns())

    with shmring.Publisher(path, format="GRAY8", width=64, height=48, max_readers=8) as publisher:
        thread = threading.Thread(target=publish)
        thread.start()
        yield path
        stop.set()
        thread.join()


def programs_end_well(ring, tmp_path, work, leave, times=3):
    do, status, said = LEAVE[leave]
    code = PROGRAM.format(work=textwrap.indent(WORK[work], "    "), leave=do)
    for _ in range(times):
        arguments = [ring, tmp_path / "absent.sock", tmp_path / "own.sock"]
        ended = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr.strip().split("\n")[-1], ended.stdout) == (status, said, ""), ended.stderr


@pytest.mark.parametrize("work", WORK)
def test_a_program_ends_while_a_daemon_thread_is_inside(ring, tmp_path, work):
    programs_end_well(ring, tmp_path, work, "end")


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("work", ["for", "read-timeout", "async", "publish"])
def test_whatever_way_it_ends(ring, tmp_path, work, leave):
    programs_end_well(ring, tmp_path, work, leave, times=1)


def test_several_threads_at_once_and_a_reader_that_the_main_thread_has_forgotten(ring, tmp_path):
    code = PROGRAM.format(work="    for frame in shmring.Reader(path): frame.array", leave="""
for _ in range(5):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
del reader, publisher
""")
    ended = subprocess.run([sys.executable, "-c", code, ring, "", str(tmp_path / "own.sock")], capture_output=True, text=True,
                           check=False)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "")


def test_the_first_arrays_of_a_program_may_be_asked_for_by_several_threads_at_once(ring):
    code = """
import shmring, sys, threading
reader = shmring.Reader(sys.argv[1])
frames = [reader.read() for _ in range(3)]
assert "numpy" not in sys.modules
arrays = []
def look(frame): arrays.append(frame.array)
threads = [threading.Thread(target=look, args=(frame,)) for frame in [*frames, *frames]]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert [array.shape for array in arrays] == [(48, 64)] * 6
del arrays, frames, threads
assert reader.stats()["held"] == 0
"""
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", code, ring], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
