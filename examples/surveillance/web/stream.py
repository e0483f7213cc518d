# SPDX-License-Identifier: LGPL-2.1-or-later
"""Server-sent events to many browsers, none of which is waited for: each has a bounded queue, and one that lets it fill up is cut off.

Its browser connects again by itself and gets everything it needs with the first message.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

MOST_CLIENTS = 32
STAYS = 60.0  # s that a client has its place; then it must leave it to a new one, if all are taken
MOST_WAITING = 32  # messages; they are shared, so a full queue costs next to nothing
END = None  # in a queue: the client is let go


def message(kind: str, data: str) -> bytes:
    """`data` has no line break: JSON."""
    return f"event: {kind}\ndata: {data}\n\n".encode()


class Hub:
    def __init__(self, most_clients: int = MOST_CLIENTS, most_waiting: int = MOST_WAITING):
        self._most_clients = most_clients
        self._most_waiting = most_waiting
        self._clients: dict[asyncio.Queue, asyncio.Transport | None] = {}  # in the order in which they came
        self._came: dict[asyncio.Queue, float] = {}
        self.cut_off = 0

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, transport: object) -> bool:
        return transport in self._clients.values()

    def publish(self, chunk: bytes) -> None:
        """To all; returns at once."""
        for queue, transport in list(self._clients.items()):
            try:
                queue.put_nowait(chunk)
            except asyncio.QueueFull:
                self.cut_off += 1
                self._let_go(queue, transport)

    def close(self) -> None:
        for queue, transport in list(self._clients.items()):
            self._let_go(queue, transport)

    async def serve(self, request: web.Request, first: Callable[[], bytes]) -> web.StreamResponse:
        """Until the browser goes, or is cut off. `first`: what a new client must know."""
        if len(self._clients) >= self._most_clients and not self._give_way():
            return web.Response(status=503, text="Too many pages are open.\n", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        queue: asyncio.Queue = asyncio.Queue(self._most_waiting)
        self._clients[queue] = request.transport
        self._came[queue] = time.monotonic()
        try:
            await response.prepare(request)
            if request.method == "HEAD":
                return response
            await response.write(first())
            while (chunk := await queue.get()) is not END:
                await response.write(chunk)
        except ConnectionError:
            pass
        finally:
            self._clients.pop(queue, None)
            self._came.pop(queue, None)
        return response

    def _give_way(self) -> bool:
        """A server cannot see whether a browser is looked at: places go round. Its page comes back by itself."""
        oldest, transport = next(iter(self._clients.items()))
        if time.monotonic() - self._came[oldest] < STAYS:
            return False
        self._let_go(oldest, transport)
        return True

    def _let_go(self, queue: asyncio.Queue, transport: asyncio.Transport | None) -> None:
        del self._clients[queue]
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(END)  # wakes it if it waits here; the abort, if it waits for its browser
        if transport is not None:
            transport.abort()
