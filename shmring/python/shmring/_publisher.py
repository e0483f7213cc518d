# SPDX-License-Identifier: LGPL-2.1-or-later
"""The publisher, with the names and defaults of what it takes."""

import fractions
import operator

from ._errors import Invalid
from ._path import path_of
from ._shmring import Publisher as _Publisher


class Publisher(_Publisher):
    """A ring of frames that others read. It never waits for a reader.

    socket_path  Of the socket that it makes; the folder must be there.
    format       The pixel format as GStreamer calls it ("BGR"), with width and height. None: frames of any size up to slot_size.
    dtype        Type of the numbers of frames that are arrays, as numpy takes it ("int16"), with shape. Each frame is then a whole array.
    shape        Sides of such an array, (16, 4096).
    slot_size    Bytes of the largest frame; 0: those of a frame of the format.
    framerate    Frames a second of a format, as a number or a fractions.Fraction; None: it varies.
    caps         GStreamer caps as text, for what is no raw video.
    drop_policy  "latest", "drop-oldest" or "drop-newest": for readers that do not ask.
    max_readers  How many may read at once.
    depth        The most frames that a reader may ask to have wait for it.
    max_held     The most frames that a reader may ask to hold at once.
    slots        0: as many as all that needs.
    loans        Frames that may be filled at once.
    perms        Permission bits of the socket.
    latency      Seconds from the capture to publish(), which readers report to their pipelines; None: it is measured.

    `path` and `policy` are former names of socket_path and drop_policy.
    """

    __module__ = "shmring"

    def __init__(self, socket_path=None, *, slot_size=0, format=None, width=0, height=0, caps=None, framerate=None,
                 dtype=None, shape=None, drop_policy="drop-newest", max_readers=1, depth=5, max_held=4, slots=0, loans=2,
                 perms=0o600, latency=None, path=None, policy=None):
        super().__init__(socket_path=path_of(socket_path if path is None else path), slot_size=slot_size, format=format, width=width,
                         height=height, caps=caps, framerate=_fraction(framerate), array=_array(dtype, shape, format),
                         drop_policy=drop_policy if policy is None else policy, max_readers=max_readers, depth=depth, max_held=max_held,
                         slots=slots, loans=loans, perms=perms)
        if latency is not None:
            self.set_latency(latency)

    def set_format(self, format=None, width=0, height=0, *, caps=None, framerate=None, dtype=None, shape=None):
        """Sets the format of the frames from now on; makes a new ring where they need larger slots."""
        self._set_format(format, width, height, caps, _fraction(framerate), _array(dtype, shape, format))

    def __reduce__(self):
        raise TypeError("a publisher cannot leave its process: open it in the process that publishes")


def _array(dtype, shape, format):
    """Format of frames that are arrays of numbers: kind, bytes of a number, shape, and all in words; None where they are not."""
    if dtype is None and shape is None:
        return None
    if dtype is None or shape is None or format is not None:
        raise Invalid("dtype and shape go together, and not with format: dtype=\"int16\", shape=(16, 4096)")
    import numpy

    try:
        numbers = numpy.dtype(dtype)
        sides = tuple(operator.index(side) for side in (shape if hasattr(shape, "__iter__") else [shape]))
    except TypeError as error:
        raise Invalid(f"dtype is a type of number as numpy takes it, and shape whole numbers, not {dtype!r} and {shape!r}: {error}") from None
    if numbers.kind not in "biufc" or not numbers.isnative or not all(0 < side < 1 << 31 for side in sides):
        raise Invalid(f"dtype is a boolean, integer, float or complex number in this machine's byte order, and each side of shape 1 or more, "
                      f"not {numbers} and {sides}")
    return numbers.kind, numbers.itemsize, sides, f"{numbers} {sides}"


def _fraction(framerate):
    """As caps have it: "30/1"; None stays None."""
    if framerate is None:
        return None
    try:
        rate = fractions.Fraction(framerate).limit_denominator(1001)
    except (TypeError, ValueError, OverflowError):
        rate = fractions.Fraction(0)
    if not 0 < rate < 1 << 31:
        raise Invalid(f"framerate is a number of frames a second above 0, such as 30 or Fraction(30000, 1001), not {framerate!r}")
    return f"{rate.numerator}/{rate.denominator}"
