# SPDX-License-Identifier: LGPL-2.1-or-later
"""The publisher, with the names and defaults of what it takes."""

import fractions

from ._errors import Invalid
from ._path import path_of
from ._shmring import Publisher as _Publisher


class Publisher(_Publisher):
    """A ring of frames that others read. It never waits for a reader.

    socket_path  Of the socket that it makes; the folder must be there.
    format       The pixel format as GStreamer calls it ("BGR"), with width and height. None: frames of any size up to slot_size.
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

    `path` and `policy` are former names of socket_path and drop_policy.
    """

    __module__ = "shmring"

    def __init__(self, socket_path=None, *, slot_size=0, format=None, width=0, height=0, caps=None, framerate=None,
                 drop_policy="drop-newest", max_readers=1, depth=5, max_held=4, slots=0, loans=2, perms=0o600, path=None, policy=None):
        super().__init__(socket_path=path_of(socket_path if path is None else path), slot_size=slot_size, format=format, width=width,
                         height=height, caps=caps, framerate=_fraction(framerate), drop_policy=drop_policy if policy is None else policy,
                         max_readers=max_readers, depth=depth, max_held=max_held, slots=slots, loans=loans, perms=perms)

    def set_format(self, format=None, width=0, height=0, *, caps=None, framerate=None):
        """What the frames from now on are; makes a new ring where they need larger slots."""
        self._set_format(format, width, height, caps, _fraction(framerate))


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
