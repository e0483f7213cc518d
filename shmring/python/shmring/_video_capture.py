# SPDX-License-Identifier: LGPL-2.1-or-later
"""The newest picture: with the interface of OpenCV's VideoCapture, or once."""

import itertools
import os
import re
import warnings

from ._errors import Closed, End, Timeout

# Numbers of OpenCV's CAP_PROP_…, which are part of its interface.
_POS_MSEC, _POS_FRAMES, _WIDTH, _HEIGHT, _FPS = 0, 1, 3, 4, 5

_numbers = itertools.count(1)


class VideoCapture:
    """The pictures of a ring with the interface of cv2.VideoCapture, for scripts that are written for it. It always has the newest one.

        capture = shmring.VideoCapture("/run/cam/cam.sock")
        while capture.isOpened():
            ok, picture = capture.read()

    socket_path  Of the publisher's socket, which is opened at once. None: open() is called later.
    timeout      Seconds that open() waits for the first picture, and read() for a newer one. None waits for ever. It is an attribute, too.
    worker       The name in everybody's statistics; the program's name and process number if none is given.

    Pictures are arrays (height, width, 3) of uint8 in the order blue, green, red, as Frame.to_bgr() makes them: copies, which may be drawn on.
    Frames that are no raw video raise Invalid; without OpenCV ImportError is raised.
    """

    def __init__(self, socket_path=None, *, timeout=10.0, worker=None):
        self.timeout = timeout
        self._worker = worker
        self._reader = None
        self._first = None  # the picture that came while opening, until read() hands it over
        self._grabbed = None
        self._properties = {}
        if socket_path is not None:
            self.open(socket_path)

    def open(self, socket_path):
        """Waits for the first picture of the ring. False, with a RuntimeWarning, where none comes in time."""
        from . import Reader

        self.release()
        reader = Reader(socket_path, "latest", self._worker)
        try:
            frame = _newest(reader, self.timeout)
            self._first = None if frame is None else self._picture(frame)
        except BaseException:
            reader.close()
            raise
        if self._first is None:
            reader.close()
            warnings.warn(f"VideoCapture: no frame came from {os.fsdecode(socket_path)}; start its publisher, or choose a longer timeout",
                          RuntimeWarning, stacklevel=2)
            return False
        self._reader = reader
        return True

    def isOpened(self):
        """True once open() succeeded. It stays so at the end of the stream and while the publisher restarts, until release()."""
        return self._reader is not None

    def read(self):
        """(True, the newest picture that was not read yet), or (False, None): none came in time, the stream has ended, or release() was called."""
        first, self._first = self._first, None
        reader = self._reader
        frame = None if reader is None else _newest(reader, self.timeout if first is None else 0)
        picture = first if frame is None else self._picture(frame)
        return picture is not None, picture

    def grab(self):
        """Reads a picture for retrieve(); True if there was one."""
        ok, self._grabbed = self.read()
        return ok

    def retrieve(self):
        """(True, the picture that grab() read), or (False, None) where it read none."""
        return self._grabbed is not None, self._grabbed

    def get(self, propId):
        """Of the last picture: CAP_PROP_FRAME_WIDTH and _HEIGHT, _FPS (0: it varies), _POS_MSEC (its pts) and _POS_FRAMES (its number in the ring).
        0 for other properties."""
        return float(self._properties.get(propId, 0.0))

    def set(self, propId, value):
        """False: the publisher chooses size and rate."""
        return False

    def getBackendName(self):
        """"SHMRING"."""
        return "SHMRING"

    def release(self):
        """Leaves the ring. A read() that waits in another thread returns (False, None)."""
        reader, self._reader = self._reader, None
        self._first = self._grabbed = None
        if reader is not None:
            reader.close()

    def _picture(self, frame):
        with frame:
            picture = frame.to_bgr()
            rate = re.search(r"framerate=(?:\(fraction\))?(\d+)/(\d+)", frame.caps)
        self._properties = {_WIDTH: picture.shape[1], _HEIGHT: picture.shape[0], _FPS: int(rate[1]) / int(rate[2]) if rate else 0.0,
                            _POS_FRAMES: frame.sequence, _POS_MSEC: (frame.pts or 0) / 1e6}
        return picture


def snapshot(socket_path, timeout=5.0, *, bgr=False):
    """The newest frame of a ring as an array of its own, in the shape of Frame.array; with bgr=True as Frame.to_bgr() makes it.

    It takes a reader's place of the publisher for that moment. Raises Timeout where no frame comes within `timeout` seconds (None: for ever), and
    what Frame.copy() and Frame.to_bgr() raise. To look again and again open a Reader or a VideoCapture.
    """
    from . import Reader

    # A name of its own: under a former one an idle publisher's frame would count as taken.
    with Reader(socket_path, "latest", f"snapshot-{os.getpid()}-{next(_numbers)}") as reader:
        frame = reader.latest(timeout)
        if frame is None:
            raise Timeout(f"no frame came from {os.fsdecode(socket_path)} within {timeout:g} s; start its publisher")
        with frame:
            return frame.to_bgr() if bgr else frame.copy()


def _newest(reader, timeout):
    """The newest frame; None: none came in time, the stream has ended, or the reader was closed."""
    try:
        return reader.latest(timeout)
    except (Closed, End):
        return None
