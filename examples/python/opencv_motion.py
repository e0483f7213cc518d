#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Says where something moves. OpenCV works on the publisher's memory; the only copy is its own small grey image.

    opencv_motion.py cam.sock [--frames N]
"""
import argparse
import itertools

import cv2
import shmring

TO_GREY = {"BGR": cv2.COLOR_BGR2GRAY, "RGB": cv2.COLOR_RGB2GRAY, "BGRx": cv2.COLOR_BGRA2GRAY, "BGRA": cv2.COLOR_BGRA2GRAY,
           "RGBx": cv2.COLOR_RGBA2GRAY, "RGBA": cv2.COLOR_RGBA2GRAY}


def grey(frame):
    """The first plane of NV12, I420 and GRAY8 is the grey image already."""
    return cv2.cvtColor(frame.array, TO_GREY[frame.format]) if frame.format in TO_GREY else frame.planes[0]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("path")
    arguments.add_argument("--frames", type=int, default=None, help="stop after so many")
    options = arguments.parse_args()

    background = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    with shmring.Reader(options.path, drop_policy="latest", worker="motion") as frames:
        for frame in itertools.islice(frames, options.frames):
            mask = background.apply(cv2.resize(grey(frame), (160, 120), interpolation=cv2.INTER_AREA))
            moving = cv2.countNonZero(mask) / mask.size
            x, y, width, height = cv2.boundingRect(mask)
            print(f"frame {frame.sequence}, {100 * moving:.1f} % moves, in {width}x{height} at {x},{y}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
