#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A surgeon's electrodes, sixteen boards in step: each ring carries blocks of int16 samples, and one process filters those of all boards.

    surgeon.py [--rings N] [--channels N] [--samples N] [--seconds N]

A device gives numbers, no pictures: RINGS boards with CHANNELS inputs each, SAMPLES of every input a block, 30,000 samples a
second. One process publishes all boards; this one takes the blocks that belong together, whatever board is late, removes what is below 300 Hz and
above 6 kHz, and says what it did.
"""
import argparse
import multiprocessing
import pathlib
import signal
import tempfile
import time

import numpy as np
import scipy.signal
import shmring

SAMPLES_A_SECOND = 30_000  # of each input


def publish(paths, shape, stop):
    """The device: a block of every board, each with the same time, until it is told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for the one that reads, which tells this one to stop
    noise = np.random.default_rng(1).integers(-2000, 2000, shape, np.int16)
    rings = [shmring.Publisher(path, dtype="int16", shape=shape, drop_policy="drop-oldest", depth=4) for path in paths]
    due = time.monotonic()
    while not stop.is_set():
        taken = time.monotonic_ns()
        for ring in rings:
            with ring.loan() as loan:
                loan.array[:] = noise  # written in place, as a driver's DMA or its read() would
                ring.publish(loan, pts=taken)
        due = max(due + shape[1] / SAMPLES_A_SECOND, time.monotonic() - 0.1)  # after a stall of more than 0.1 s it does not catch up
        time.sleep(max(0, due - time.monotonic()))
    for ring in rings:
        ring.end()


class Filter:
    """A band-pass over every input, which goes on from block to block where its last one ended."""

    def __init__(self, rings, channels):
        self.sections = scipy.signal.butter(2, [300, 6000], "bandpass", fs=SAMPLES_A_SECOND, output="sos").astype(np.float32)
        self.state = np.zeros((len(self.sections), rings, channels, 2), np.float32)

    def __call__(self, ring, block):
        filtered, self.state[:, ring] = scipy.signal.sosfilt(self.sections, block.astype(np.float32), zi=self.state[:, ring])
        return filtered


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rings", type=int, default=16)
    arguments.add_argument("--channels", type=int, default=8, help="inputs of a board")
    arguments.add_argument("--samples", type=int, default=1000, help="of each input in a block")
    arguments.add_argument("--seconds", type=float, default=5)
    options = arguments.parse_args()

    shape = (options.channels, options.samples)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(pathlib.Path(folder) / f"{ring}.sock") for ring in range(options.rings)]
        readers = [shmring.Reader(path, worker="filter") for path in paths]
        device = context.Process(target=publish, args=(paths, shape, stop), daemon=True)
        device.start()
        band = Filter(options.rings, options.channels)
        sets = shmring.gather(readers, timeout=30)
        ages: list[float] = []
        strongest, begun, spent, apart = 0.0, 0.0, 0.0, 0
        try:
            for blocks in sets:
                now = time.monotonic()
                if not ages:
                    begun, apart = now, sets.incomplete  # while the readers attach one by one, sets are not complete
                for ring, block in enumerate(blocks):
                    strongest = max(strongest, float(np.abs(band(ring, block.array)).max()))
                ages.append((time.monotonic_ns() - (blocks[0].pts or 0)) / 1e6)
                spent += time.monotonic() - now
                del blocks, block
                if now - begun > options.seconds:
                    break
        except KeyboardInterrupt:
            pass
        elapsed = time.monotonic() - begun
        stop.set()
        for reader in readers:
            reader.close()
        device.join()
    if not ages:
        return

    size = options.rings * shape[0] * shape[1] * 2
    print(f"{options.rings} rings of int16 {shape}, {size / 1e6:.2f} MB a set")
    print(f"{len(ages)} sets in {elapsed:.1f} s, {len(ages) / elapsed:.0f} a second, {len(ages) / elapsed * size * 8 / 1e9:.2f} Gbit/s")
    print(f"from sampling to filtered: median {np.median(ages):.2f} ms, 99 % within {np.percentile(ages, 99):.2f} ms")
    print(f"filtering took {spent / elapsed * 100:.0f} % of the time; incomplete sets: {sets.incomplete - apart}; strongest {strongest:.0f}")


if __name__ == "__main__":
    main()
