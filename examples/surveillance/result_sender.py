# SPDX-License-Identifier: LGPL-2.1-or-later
"""The worker's end of its ring of results: beside the camera's socket CAMERA.sock, the worker's is results@WORKER/CAMERA.sock.

The folder is the worker's own: a worker in a container of its own can write there and nowhere else.

Results are the worker's by-product: a ring that cannot be made costs results, never frames.
"""

import errno
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .album import Detection
from .untrusted import explain

MOST_SOCKET = 107  # bytes of a socket's path
READERS, DEPTH = 4, 32  # of its ring: some 130 slots
AGAIN = 5.0  # s between two tries to make the ring


def results_path(ring: str | Path, worker: str) -> Path:
    """No camera's name has an `@`, so no other file is called so."""
    ring = Path(ring)
    return ring.parent / f"results@{worker}" / ring.name


def make_folder(path: Path) -> None:
    """Of that ring of results. OSError if it cannot be."""
    try:
        path.parent.mkdir(exist_ok=True)
    except FileExistsError:
        raise OSError(errno.ENOTDIR, "this is no folder: remove it", str(path.parent)) from None


class ResultSender:
    """The ring is made at once, so that its readers are there for the first result."""

    def __init__(self, ring: str, worker: str, model: str, on_trouble: Callable[[str], object], clock=time.monotonic):
        self._path = results_path(ring, worker)
        self._worker, self._model = worker, model
        self._on_trouble = on_trouble
        self._clock = clock
        self._ring: Any = None  # a shmring.Results
        self._next_try = 0.0
        self._trouble = ""
        self._try(self._make)

    def send(self, frame, detections: Sequence[Detection]) -> bool:
        """Never raises, and never waits for a reader."""
        if self._ring is None and (self._clock() < self._next_try or not self._try(self._make)):
            return False
        return self._try(lambda: self._send(frame, detections))

    def _make(self) -> None:
        import shmring  # here, as in the worker's loop
        self._next_try = self._clock() + AGAIN
        make_folder(self._path)
        self._ring = shmring.Results(self._path, self._worker, self._model, max_readers=READERS, depth=DEPTH)

    def _send(self, frame, detections: Sequence[Detection]) -> None:
        import shmring
        self._ring.send(frame, [shmring.Object(found.label, found.score, found.box, track=found.track) for found in detections])

    def _try(self, step: Callable[[], None]) -> bool:
        try:
            step()
            return True
        except Exception as error:  # of one result, or of the ring
            if (trouble := explain(error)) != self._trouble:
                self._trouble = trouble
                self._on_trouble(f"a result could not be sent: {trouble}")
            return False
