#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Publishes a moving colour gradient, 30 frames a second, drawn in place in shared memory.

    publisher.py cam.sock [--frames N]
"""
import argparse
import time

import numpy as np
import shmring


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("path")
    arguments.add_argument("--frames", type=int, default=0, help="stop after so many (0: never)")
    options = arguments.parse_args()

    ramp = np.arange(640, dtype=np.uint8)
    with shmring.Publisher(options.path, format="BGR", width=640, height=480, max_readers=8) as publisher:
        number = 0
        while number != (options.frames or -1):
            with publisher.loan() as loan:
                loan.array[:, :, 1] = np.roll(ramp, number)
                publisher.publish(loan, pts=time.monotonic_ns())
            number += 1
            time.sleep(1 / 30)
        publisher.end()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
