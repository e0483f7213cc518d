#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several cameras in one event loop, without a thread.

    async_reader.py one.sock two.sock [--frames N]
"""
import argparse
import asyncio

import shmring


async def watch(path, count):
    with shmring.Reader(path, drop_policy="latest", worker="async") as frames:
        async for frame in frames:
            print(f"{path}: frame {frame.sequence}, {1000 * frame.age:.2f} ms old", flush=True)
            count -= 1
            if count == 0:
                return


async def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("paths", nargs="+")
    arguments.add_argument("--frames", type=int, default=-1, help="stop after so many of each")
    options = arguments.parse_args()
    await asyncio.gather(*(watch(path, options.frames) for path in options.paths))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
