# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python side: a frame that is ready to a numpy view, `async for` against a bare loop.add_reader, and 1.1 MB frames by shmring, pyzmq and
multiprocessing.shared_memory with a Queue.

usage: python_bench.py [--quick] [--rounds N]
"""
import asyncio
import functools
import gc
import json
import multiprocessing as mp
import os
import signal
import sys
import tempfile
import time
import tracemalloc
from multiprocessing import shared_memory

import numpy as np
import shmring

try:
    import zmq
except ImportError:
    zmq = None

QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else 5
SHAPE = (1000, 1100)
SIZE = SHAPE[0] * SHAPE[1]
now = time.monotonic_ns


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def emit(bench, case, values, at=None):
    print(json.dumps({"bench": bench, "case": case, "at": at or {}, "v": values}), flush=True)


def figures(prefix, values):
    return {f"{prefix}_p50": quantile(values, 0.5), f"{prefix}_p99": quantile(values, 0.99)}


def publisher(path, **options):
    return shmring.Publisher(path, format="GRAY8", width=SHAPE[1], height=SHAPE[0], **options)


def ready_to_view(folder):
    """The frame is there already: read() and .array. The floor is making a numpy view of a bytes object."""
    path = f"{folder}/view.sock"
    count = 50 if QUICK else 3000
    picture = np.ones(SHAPE, np.uint8)
    plain = bytes(SIZE)
    took, floor = [], []
    with publisher(path) as pub, shmring.Reader(path, worker="view") as reader:
        pub.publish(picture)
        reader.read(5)
        for _ in range(count):
            pub.publish(picture)
            start = now()
            frame = reader.read(1)
            view = frame.array
            took.append(now() - start)
            assert view.shape == SHAPE and not view.flags.writeable
            del view, frame
            start = now()
            np.frombuffer(plain, np.uint8).reshape(SHAPE)
            floor.append(now() - start)
        tracemalloc.start()
        pub.publish(picture)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        frame = reader.read(1)
        view = frame.array
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        del view, frame
    emit("python_view", "shmring", {**figures("view", took), "allocated_peak_bytes": peak})
    emit("python_view", "numpy.frombuffer", figures("view", floor))


def child(target, *args):
    """Ends with this process."""
    return mp.Process(target=target, args=args, daemon=True)


def paced(send, count, hz):
    """Calls send(number, time) at the rate."""
    due = time.monotonic()
    for i in range(count):
        due += 1 / hz
        time.sleep(max(0, due - time.monotonic()))
        send(i)


# Each way twice: the frame is complete in the program's own array and then handed over, or it is made where the way would have it
# (a slot, a shared block, an array of its own that is sent without a copy) and is complete then.
def ring_writer(path, count, hz, in_place=False):
    with publisher(path, depth=8) as pub:
        while not pub.stats()["readers"]:
            time.sleep(0.01)
        time.sleep(0.1)
        picture = np.ones(SHAPE, np.uint8)
        stamp = picture.reshape(-1)[:8].view(np.int64)

        def send(_):
            if in_place:
                with pub.loan() as loan:
                    loan.array[:] = picture
                    loan.array.reshape(-1)[:8].view(np.int64)[0] = now()
                    pub.publish(loan)
            else:
                stamp[0] = now()
                pub.publish(picture)

        if hz:
            paced(send, count, hz)
        else:
            for i in range(count):
                while i % 4 == 0 and pub.stats()["accounts"][0]["pending"] > 4:  # so that none is dropped; a look takes 20 µs
                    time.sleep(0)
                send(i)
        pub.end()
        time.sleep(0.3)


def read_ring(path, wake):
    ages, total = [], 0
    start = 0
    with shmring.Reader(path, worker="bench", wake=wake) as reader:
        for frame in reader:
            start = start or now()
            view = frame.array
            ages.append(now() - int(view.reshape(-1)[:8].view(np.int64)[0]))
            total += int(view[:, 0].sum())
            del view, frame
    return ages, (len(ages) - 1) / ((now() - start) / 1e9)


def run_ring(folder, wake, in_place, count, hz):
    path = f"{folder}/{wake}.sock"
    writer = child(ring_writer, path, count, hz, in_place)
    writer.start()
    result = read_ring(path, wake)
    writer.join()
    return result


def zmq_writer(path, in_place, count, hz):
    socket = zmq.Context().socket(zmq.PUSH)
    socket.sndhwm = 5
    socket.bind(f"ipc://{path}")
    picture = np.ones(SHAPE, np.uint8)
    stamp = picture.reshape(-1)[:8].view(np.int64)

    def send(_):
        if in_place:
            own = picture.copy()
            own.reshape(-1)[:8].view(np.int64)[0] = now()
            socket.send(own, copy=False)
        else:
            stamp[0] = now()
            socket.send(picture, copy=True)

    time.sleep(0.3)
    if hz:
        paced(send, count, hz)
    else:
        for i in range(count):
            send(i)


def run_zmq(folder, in_place, count, hz):
    path = f"{folder}/zmq.sock"
    writer = child(zmq_writer, path, in_place, count, hz)
    writer.start()
    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.rcvhwm = 5
    socket.connect(f"ipc://{path}")
    ages, start = [], 0
    for _ in range(count):
        view = np.frombuffer(socket.recv(copy=False).buffer, np.uint8).reshape(SHAPE)
        start = start or now()
        ages.append(now() - int(view.reshape(-1)[:8].view(np.int64)[0]))
        view[:, 0].sum()
    rate = (count - 1) / ((now() - start) / 1e9)
    socket.close()
    writer.join()
    return ages, rate


def queue_writer(name, free, filled, in_place, count, hz):
    block = shared_memory.SharedMemory(name)
    slots = np.ndarray((5, *SHAPE), np.uint8, block.buf)
    picture = np.ones(SHAPE, np.uint8)
    time.sleep(0.3)

    def send(_):
        slot = free.get()
        start = now()
        slots[slot] = picture
        filled.put((slot, now() if in_place else start))

    if hz:
        paced(send, count, hz)
    else:
        for i in range(count):
            send(i)
    slots = None  # a block that has views cannot be closed
    block.close()


def run_queue(in_place, count, hz):
    block = shared_memory.SharedMemory(create=True, size=5 * SIZE)
    slots = np.ndarray((5, *SHAPE), np.uint8, block.buf)
    free, filled = mp.Queue(), mp.Queue()
    for slot in range(5):
        free.put(slot)
    writer = child(queue_writer, block.name, free, filled, in_place, count, hz)
    writer.start()
    ages, start = [], 0
    for _ in range(count):
        slot, sent = filled.get()
        start = start or now()
        ages.append(now() - sent)
        slots[slot][:, 0].sum()
        free.put(slot)
    rate = (count - 1) / ((now() - start) / 1e9)
    writer.join()
    del slots
    block.close()
    block.unlink()
    return ages, rate


def event_writer(fd, count, hz, pipe):
    time.sleep(0.3)

    def send(_):
        pipe[0] = now()
        os.eventfd_write(fd, 1) if hasattr(os, "eventfd_write") else os.write(fd, (1).to_bytes(8, "little"))

    paced(send, count, hz)


def run_add_reader(count, hz):
    """Least time for an event loop to hear of a descriptor."""
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    sent = mp.Array("q", 1, lock=False)
    writer = child(event_writer, fd, count, hz, sent)
    ages = []

    async def main():
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def ready():
            os.eventfd_read(fd)
            ages.append(now() - sent[0])
            if len(ages) == count:
                done.set()

        loop.add_reader(fd, ready)
        writer.start()
        await done.wait()
        loop.remove_reader(fd)

    asyncio.run(main())
    writer.join()
    os.close(fd)
    return ages


def run_async_for(folder, count, hz):
    path = f"{folder}/async.sock"
    writer = child(ring_writer, path, count, hz)
    ages = []

    async def main():
        writer.start()
        with shmring.Reader(path, worker="async") as reader:
            async for frame in reader:
                ages.append(now() - frame.published_at)
                del frame

    asyncio.run(main())
    writer.join()
    return ages


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    gc.disable()
    count, fast, hz = (10, 20, 100) if QUICK else (250, 2000, 100)
    mp.set_start_method("fork")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for _ in range(ROUNDS):
            ready_to_view(folder)
            emit("python_async", "loop.add_reader", figures("latency", run_add_reader(count, hz)), {"hz": hz})
            emit("python_async", "async for", figures("latency", run_async_for(folder, count, hz)), {"hz": hz})
            ways = {"shmring block": functools.partial(run_ring, folder, "block"),
                    "shmring adaptive": functools.partial(run_ring, folder, "adaptive"),
                    "shared_memory + Queue": run_queue}
            if zmq:
                ways["pyzmq"] = functools.partial(run_zmq, folder)
            for name, way in ways.items():
                for in_place in False, True:
                    case = name + (", in place" if in_place else "")
                    ages, _ = way(in_place, count, hz)
                    emit("python_frames", case, figures("latency", ages[len(ages) // 10:]), {"hz": hz})
                    _, rate = way(in_place, fast, 0)
                    emit("python_rate", case, {"frames_s": rate})


if __name__ == "__main__":
    main()
