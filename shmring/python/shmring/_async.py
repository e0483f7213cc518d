# SPDX-License-Identifier: LGPL-2.1-or-later
"""`async for frame in reader`: the event loop watches the reader's descriptor, no thread is needed."""

import asyncio
import contextvars
import os
import weakref
from typing import Any

from ._errors import Closed, End, Error


# Seconds between two looks at a reader whose stream has ended. It reports the end again every 0.5 s, without a sign at its descriptor.
_LOOK_AGAIN = 0.5


class Turn(asyncio.Future):
    """A wait whose task goes on in the very callback that ends it, and not one round of the event loop later."""

    _task = None
    frames: Any = None  # the iterator that it waits in

    def add_done_callback(self, wake_up, *, context=None):
        self._task = wake_up, context or contextvars.copy_context()

    def remove_done_callback(self, wake_up):
        count, self._task = int(self._task is not None and self._task[0] == wake_up), None
        return count

    def go_on(self):
        """Only in a callback of the event loop. Where loops run within each other a task may run even there."""
        if asyncio.current_task(self.get_loop()) is not None:
            self.go_on_soon()
        elif self._task:
            wake_up, context = self._task
            context.run(wake_up, self)

    def go_on_soon(self):
        if self._task:
            wake_up, context = self._task
            self.get_loop().call_soon(wake_up, self, context=context)

    def cancel(self, msg=None):
        cancelled = super().cancel(msg)
        if cancelled:
            self.go_on_soon()
        return cancelled


class AsyncFrames:
    """An async iterator over a reader. A cancelled wait loses no frame, and the iterator goes on after it.

    Several tasks may wait in it, and several iterators may be on one reader: each frame goes to one of them. Each iterator watches a
    descriptor of its own, since an event loop has one callback a descriptor.
    """

    def __init__(self, reader):
        self._reader = reader
        self._loop: Any = None  # set while the descriptor is watched
        self._fd = -1
        self._waited = True
        self._timer = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        # A reader that is always behind would otherwise never let another task run.
        if not self._waited:
            await asyncio.sleep(0)
        self._waited = False
        try:
            others = self._reader._turns and _waiting(self._reader, asyncio.get_running_loop())
            frame = None if others else self._take()  # those that wait come first
            while frame is None:
                self._watch()
                self._waited = True
                frame = await self._wait() or self._take()
            self._reader._ended = False
            return frame
        except (End, Closed) as why:
            self._reader._ended = isinstance(why, End)
            for frames in list(self._reader._async_frames):  # the end is told once, and is everybody's
                frames._end(why)
            if not self._turns():
                self.stop()
            raise StopAsyncIteration from None

    def _end(self, why):
        try:
            if self._loop is asyncio.get_running_loop():
                _fail(self._turns(), why)
            elif self._loop is not None:
                self._loop.call_soon_threadsafe(_fail, self._turns(), why)
        except RuntimeError:  # the loop was closed
            pass

    def _take(self):
        kept = self._reader._kept
        return kept.pop(0) if kept else self._reader.read(0)

    def _turns(self):
        return [turn for turn in self._reader._turns if turn.frames is self]

    async def _wait(self):
        """A frame, or None: look again."""
        turn = Turn(loop=self._loop)
        turn.frames = self
        self._reader._turns.append(turn)
        if self._reader._ended and self._timer is None:
            self._look_again()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None and turn.result() is not None:
                self._reader._kept.append(turn.result())
                turn.get_loop().call_soon(_on_readable, weakref.ref(self))  # for those that wait behind it
            raise
        finally:
            if turn in self._reader._turns:
                self._reader._turns.remove(turn)
            if self._timer is not None and not self._turns():
                self._timer.cancel()
                self._timer = None

    def _look_again(self):
        self._timer = self._loop.call_later(_LOOK_AGAIN, _on_time, weakref.ref(self))

    def _watch(self):
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed() and not all(turn.done() for turn in self._turns()):
            raise RuntimeError("a task of another event loop waits in this iterator: call aiter(reader) in each event loop")
        self.stop()
        self._reader._turns[:] = [turn for turn in self._reader._turns if not turn.get_loop().is_closed()]
        fd = os.dup(self._reader.fileno())
        loop.add_reader(fd, _on_readable, weakref.ref(self))
        self._loop, self._fd = loop, fd

    def stop(self):
        """Leaves the event loop; waits in progress look at the reader again. Any thread."""
        loop, self._loop = self._loop, None
        fd, self._fd = self._fd, -1
        if loop is None:
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        try:
            if here:
                _leave(loop, fd, self._turns())
            else:
                loop.call_soon_threadsafe(_leave, loop, fd, self._turns())
        except RuntimeError:  # the loop was closed, and with it its watch of the descriptor
            os.close(fd)

    def __del__(self):
        self.stop()


def _fail(turns, why):
    for turn in turns:
        if not turn.done():
            turn.set_exception(why)
            turn.go_on_soon()


def _leave(loop, fd, turns):
    loop.remove_reader(fd)
    os.close(fd)
    for turn in turns:
        if not turn.done():
            turn.set_result(None)
            turn.go_on_soon()


def _on_time(reference):
    frames = reference()
    if frames is None or not frames._turns():
        return
    frames._look_again()  # first: what comes now may end the wait
    _on_readable(reference)


def _waiting(reader, loop):
    """The waits of all iterators on the reader in this event loop."""
    return [turn for turn in reader._turns if not turn.done() and turn.get_loop() is loop]


def _on_readable(reference):
    """Takes frames here rather than in the tasks, so that the descriptor is quiet when the loop looks at it next."""
    frames = reference()
    if frames is None:
        return
    loop = asyncio.get_running_loop()
    turns = _waiting(frames._reader, loop)
    if not any(turn.frames is frames for turn in turns):
        frames.stop()  # no wait is pending now; the next one watches again
    for turn in turns:
        try:
            frame = frames._take()
        except Error as error:
            for failed in turns:
                if not failed.done():
                    failed.set_exception(error)  # raised where the callers are
                    failed.go_on_soon()
            return
        if frame is None:
            return
        if turn.done():  # meanwhile, by what another task did
            frames._reader._kept.append(frame)
        else:
            turn.set_result(frame)
            turn.go_on()
    # The descriptor says nothing about further frames before a look was in vain.
    if turns and _waiting(frames._reader, loop):
        loop.call_soon(_on_readable, reference)
