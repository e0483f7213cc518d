# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output of the children and of the manager itself: bounded in size and rate, and never a wait."""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import queue
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

from . import files
from .throttle import Allowance, Throttle
from .untrusted import clean, explain

LOG_BYTES = 10_000_000  # of a file; the one before it is kept as NAME.1
PER_SECOND, BURST = 100_000, 4_000_000  # bytes of one child that go into its file
CHUNK = 1 << 18  # bytes read at once …
PAUSE = 0.01  # … and seconds until the next: a child that prints more than that is slowed down
LAST = 1 << 20  # bytes read after its end
MOST_TAIL = 2000  # bytes kept in memory; its last line is among them
MOST_LAST_LINE = 200  # characters
WAITING = 1000  # lines that wait for a descriptor
MOST_LINE = 8000  # characters of one of the manager's own log messages


class Log:
    """A child prints into a pipe, and this writes it to a file. What is too much or finds no room on the disk is dropped and
    counted; the child is not disturbed."""

    def __init__(self, path: Path, on_trouble: Callable[[str], None] = lambda text: None):
        self.dropped = 0  # bytes
        self._path = path
        self._on_trouble = on_trouble
        self._allowance = Allowance(PER_SECOND, BURST)
        self._untold = 0  # bytes dropped of which the file does not tell yet
        self._trouble = ""
        self._tail = b""
        self._reading = -1

    @property
    def last_line(self) -> str:
        """That the child printed; it is most often why it ended."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines()]
        return clean(next((line for line in reversed(lines) if line), ""), MOST_LAST_LINE)

    def open(self) -> int:
        """The descriptor for the child, to be closed by the caller once the child has it. Needs a running loop."""
        self.close()
        self._tail = b""
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        with contextlib.suppress(OSError):  # more room where the user may have it
            fcntl.fcntl(self._reading, fcntl.F_SETPIPE_SZ, CHUNK)
        asyncio.get_running_loop().add_reader(self._reading, self._readable, self._reading)
        return writing

    def close(self) -> None:
        """After the child's end: takes what is left in the pipe."""
        if self._reading < 0:
            return
        for _ in range(LAST // CHUNK):
            if not self._read():
                break
        if self._reading >= 0:
            self._forget()

    def _readable(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        if self._read():
            loop.remove_reader(descriptor)
            loop.call_later(PAUSE, self._go_on, descriptor)

    def _go_on(self, descriptor: int) -> None:
        if descriptor == self._reading:
            asyncio.get_running_loop().add_reader(descriptor, self._readable, descriptor)

    def _read(self) -> bool:
        """Tells whether there was something."""
        try:
            data = os.read(self._reading, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._forget()
            return False
        self._tail = (self._tail + data)[-MOST_TAIL:]
        self._write(data)
        return True

    def _write(self, data: bytes) -> None:
        note = f"\n[{self._untold} bytes were dropped here: too much was printed, or the disk took none]\n".encode() \
            if self._untold else b""
        now = time.monotonic()
        if self._allowance.left(now) < len(data):
            self._drop(data)
            return
        try:
            files.append(self._path, note + data, LOG_BYTES)
        except Exception as error:  # whatever is at that path costs the log only
            self._drop(data)
            if explain(error) != self._trouble:
                self._trouble = explain(error)
                self._on_trouble(f"its log cannot be written: {self._trouble}")
            return
        self._allowance.spend(len(data), now)
        self._untold, self._trouble = 0, ""

    def _drop(self, data: bytes) -> None:
        self.dropped += len(data)
        self._untold += len(data)

    def _forget(self) -> None:
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)
        self._reading = -1


class Outlet:
    """Lines to a descriptor that may take none for long, such as a pipe that is not read: a thread waits for it. Lines that find
    WAITING others before them are dropped and counted."""

    def __init__(self, descriptor: int):
        self.lost = 0
        self._torn = False  # half a line was written last
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"outlet {descriptor}")
        self._thread.start()

    def offer(self, line: str) -> None:
        try:
            self._lines.put_nowait(line.encode(errors="replace") + b"\n")
        except queue.Full:
            self.lost += 1

    def close(self, timeout: float = 1.0) -> None:
        """Waits for what was offered, but not longer than that."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=timeout)
        self._thread.join(timeout)

    def _run(self) -> None:
        # No file object: its lock would be held at the interpreter's end by a thread that waits.
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except Exception:  # its reader is gone, or the disk is full
                self.lost += 1

    def _write(self, line: bytes) -> None:
        view = memoryview(b"\n" + line if self._torn else line)
        while view:
            try:
                view = view[os.write(self._descriptor, view):]
                self._torn = bool(view)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
                select.select([], [self._descriptor], [])


class Handler(logging.Handler):
    """For the root logger: what goes wrong inside, with its traceback, as often as anybody wants to read it."""

    def __init__(self, outlet: Outlet):
        super().__init__()
        self._outlet = outlet
        self._throttle = Throttle()
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            held_back = self._throttle.let(time.monotonic())
            if held_back is None:
                return
            lines = [clean(line, 1000) for line in self.format(record)[:MOST_LINE].splitlines()]
            more = [f"({held_back} more were held back)"] if held_back else []
            self._outlet.offer("\n".join(lines + more))
        except Exception:  # a log message is worth no more trouble
            pass
