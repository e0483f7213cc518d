# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections to the page: bounded in number, and in the time in which a connection must ask or read. One that is silent gives
way to one that comes."""

import asyncio
import time
from collections.abc import Callable, Container
from typing import cast

from aiohttp import web

MOST = 100
ASKS = 10.0  # s until the first request is there
READS = 60.0  # s from a request until its answer was read, or the next one is there


class Connections:
    def __init__(self, server: web.Server, streams: Container[asyncio.Transport], clock: Callable[[], float] = time.monotonic):
        """`streams`: those that are never asked again and have bounds of their own."""
        self.closed = 0  # because they were silent
        self._server = server
        self._clock = clock
        self._since: dict[asyncio.Transport, float] = {}  # when it came, or asked last
        self._asked: set[asyncio.Transport] = set()
        self._streams = streams

    def connect(self) -> asyncio.BaseProtocol:
        """For create_server()."""
        self._look()
        while len(self._since) >= MOST:  # several may have come at once
            if not self._give_way():
                return _Refusal()
        return self._server()

    def asks(self, transport: asyncio.Transport | None) -> None:
        if transport is not None:
            self._since[transport] = self._clock()
            self._asked.add(transport)

    def sweep(self) -> None:
        """Once a second or so."""
        self._look()
        now = self._clock()
        for transport, since in list(self._since.items()):
            if transport not in self._streams and now - since > (READS if transport in self._asked else ASKS):
                self._close(transport)

    def _look(self) -> None:
        """The server knows who is there, in the order in which they came."""
        there = [handler.transport for handler in self._server.connections
                 if handler.transport is not None and not handler.transport.is_closing()]
        now = self._clock()
        self._since = {transport: self._since.get(transport, now) for transport in there}
        self._asked &= self._since.keys()

    def _give_way(self) -> bool:
        """First those that never asked, and of them those that came first."""
        silent = [transport for transport in self._since if transport not in self._streams]
        if not silent:
            return False
        self._close(min(silent, key=lambda transport: (transport in self._asked, self._since[transport])))
        return True

    def _close(self, transport: asyncio.Transport) -> None:
        self.closed += 1
        del self._since[transport]
        transport.abort()


class _Refusal(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
