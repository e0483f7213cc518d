#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints what it sees in each frame. Nothing is copied: the array is the publisher's memory.

    numpy_reader.py cam.sock [--frames N]
"""
import argparse
import itertools

import shmring


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("path")
    arguments.add_argument("--frames", type=int, default=None, help="stop after so many")
    options = arguments.parse_args()

    with shmring.Reader(options.path, drop_policy="latest", worker="numpy") as frames:
        for frame in itertools.islice(frames, options.frames):
            print(f"frame {frame.sequence}, {frame.format} {frame.array.shape}, {1000 * frame.age:.2f} ms old, "
                  f"mean {frame.array.mean():.1f}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
