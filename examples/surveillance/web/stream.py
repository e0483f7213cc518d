# SPDX-License-Identifier: LGPL-2.1-or-later
"""Server-sent events to many browsers, none of which is waited for: each has a bounded queue, and one that lets it fill up is cut off.

Its browser connects again by itself and gets everything it needs with the first message.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

MOST_CLIENTS = 32
MOST_WAITING = 32  # messages; they are shared, so a full queue costs next to nothing
END = None  # in a queue: the client is let go


def message(kind: str, data: str) -> bytes:
    """`data` has no line break: JSON."""
    return f"event: {kind}\ndata: {data}\n\n".encode()


class Hub:
    def __init__(self, most_clients: int = MOST_CLIENTS, most_waiting: int = MOST_WAITING):
        self._most_clients = most_clients
        self._most_waiting = most_waiting
        self._clients: dict[asyncio.Queue, asyncio.Transport | None] = {}
        self.cut_off = 0

    def __len__(self) -> int:
        return len(self._clients)

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
        if len(self._clients) >= self._most_clients:
            return web.Response(status=503, text="Too many pages are open.\n", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        queue: asyncio.Queue = asyncio.Queue(self._most_waiting)
        self._clients[queue] = request.transport
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
        return response

    def _let_go(self, queue: asyncio.Queue, transport: asyncio.Transport | None) -> None:
        del self._clients[queue]
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(END)  # wakes it if it waits here; the abort, if it waits for its browser
        if transport is not None:
            transport.abort()
