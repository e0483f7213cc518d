# SPDX-License-Identifier: LGPL-2.1-or-later
"""`async for frame in reader`: the event loop watches the reader's descriptor, no thread is needed."""

import asyncio
import weakref

from ._errors import Closed, End, Error


class AsyncFrames:
    """An async iterator over a reader. A cancelled wait loses no frame, and the iterator goes on after it."""

    def __init__(self, reader):
        self._reader = reader
        self._loop = None  # set while the descriptor is watched
        self._fd = -1
        self._waiter = None
        self._ready = None  # a frame, or an error, met by the event loop's callback and not yet handed out
        self._waited = True

    def __aiter__(self):
        return self

    async def __anext__(self):
        # A reader that is always behind would otherwise never let another task run.
        if not self._waited:
            await asyncio.sleep(0)
        self._waited = False
        try:
            while True:
                ready, self._ready = self._ready, None
                if isinstance(ready, Error):
                    raise ready
                if ready is None:
                    ready = self._reader.read(0)
                if ready is not None:
                    return ready
                await self._wait()
        except (End, Closed):
            self.stop()
            raise StopAsyncIteration from None

    async def _wait(self):
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._fd = self._reader.fileno()
            self._loop.add_reader(self._fd, _on_readable, weakref.ref(self))
        self._waited = True
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def stop(self):
        """Leaves the event loop; a wait in progress looks at the reader again."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._fd)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __del__(self):
        self.stop()


def _on_readable(reference):
    """Takes the frame here rather than in the task, so that the descriptor is quiet when the loop looks at it next."""
    frames = reference()
    if frames is None:
        return
    waiter = frames._waiter
    if waiter is None or waiter.done():
        frames.stop()  # nobody asks now; the next wait watches again
        return
    if frames._ready is None:
        try:
            frames._ready = frames._reader.read(0)
        except Error as error:
            frames._ready = error  # raised where the caller is
        if frames._ready is None:
            return
    waiter.set_result(None)
