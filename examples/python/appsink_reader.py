#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same frames by way of GStreamer: shmringsrc ! appsink, for programs that want its clock, its converters or its decoders.

    appsink_reader.py cam.sock [--frames N]
"""
import argparse
import itertools
import sys

import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402  the versions come first


def image(info, mapped):
    """A BGR image on the mapped frame, without a copy; it must not be used after the frame is unmapped."""
    return np.ndarray((info.height, info.width, 3), np.uint8, mapped.data, info.offset[0], (info.stride[0], 3, 1))


def samples(pipeline):
    """Every sample until the stream ends."""
    sink = pipeline.get_by_name("sink")
    while not sink.props.eos:
        sample = sink.emit("try-pull-sample", Gst.SECOND // 2)
        if sample is not None:
            yield sample
        elif (message := pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)) is not None:
            sys.exit(message.parse_error().gerror.message)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("path")
    arguments.add_argument("--frames", type=int, default=None, help="stop after so many")
    options = arguments.parse_args()

    Gst.init(None)
    pipeline = Gst.parse_launch("shmringsrc name=source worker=appsink drop-policy=latest ! appsink name=sink sync=false "
                                "max-buffers=1 caps=video/x-raw,format=BGR")
    pipeline.get_by_name("source").props.socket_path = options.path
    pipeline.set_state(Gst.State.PLAYING)
    try:
        for sample in itertools.islice(samples(pipeline), options.frames):
            info = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
            buffer = sample.get_buffer()
            with buffer.map(Gst.MapFlags.READ) as mapped:
                print(f"frame {buffer.offset}, mean {image(info, mapped).mean():.1f}", flush=True)
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
