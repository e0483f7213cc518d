# SPDX-License-Identifier: LGPL-2.1-or-later
"""`async for frame in reader`: the event loop watches the reader's descriptor, no thread is needed."""

import asyncio
import contextvars
import weakref

from ._errors import Closed, End, Error


# Seconds between two looks at a reader whose stream has ended. It reports the end again every 0.5 s, without a sign at its descriptor.
_LOOK_AGAIN = 0.5


class Turn(asyncio.Future):
    """A wait whose task goes on in the very callback that ends it, and not one round of the event loop later."""

    _task = None

    def add_done_callback(self, wake_up, *, context=None):
        self._task = wake_up, context or contextvars.copy_context()

    def remove_done_callback(self, wake_up):
        count, self._task = int(self._task is not None and self._task[0] == wake_up), None
        return count

    def go_on(self):
        """Only where no task runs: in a callback of the event loop."""
        if self._task:
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
    """An async iterator over a reader. A cancelled wait loses no frame, and the iterator goes on after it."""

    def __init__(self, reader):
        self._reader = reader
        self._loop = None  # set while the descriptor is watched
        self._fd = -1
        self._turn = None
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
            frame = self._reader.read(0)
            while frame is None:
                self._watch()
                self._waited = True
                self._turn = Turn(loop=self._loop)
                if self._reader._ended:
                    self._look_again()
                try:
                    frame = await self._turn
                finally:
                    self._turn = None
                    if self._timer is not None:
                        self._timer.cancel()
                        self._timer = None
            self._reader._ended = False
            return frame
        except (End, Closed) as why:
            self._reader._ended = isinstance(why, End)
            self.stop()
            raise StopAsyncIteration from None

    def _look_again(self):
        self._timer = self._loop.call_later(_LOOK_AGAIN, _on_time, weakref.ref(self))

    def _watch(self):
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._fd = self._reader.fileno()
            self._loop.add_reader(self._fd, _on_readable, weakref.ref(self))

    def stop(self):
        """Leaves the event loop; a wait in progress looks at the reader again."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._fd)
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)
            self._turn.go_on_soon()

    def __del__(self):
        self.stop()


def _on_time(reference):
    frames = reference()
    if frames is None or frames._turn is None or frames._turn.done():
        return
    frames._look_again()  # first: what comes now may end the wait
    _on_readable(reference)


def _on_readable(reference):
    """Takes the frame here rather than in the task, so that the descriptor is quiet when the loop looks at it next."""
    frames = reference()
    if frames is None:
        return
    turn = frames._turn
    if turn is None or turn.done():
        frames.stop()  # nobody asks now; the next wait watches again
        return
    try:
        frame = frames._reader.read(0)
    except Error as error:
        turn.set_exception(error)  # raised where the caller is
    else:
        if frame is None:
            return
        turn.set_result(frame)
    turn.go_on()
