# SPDX-License-Identifier: LGPL-2.1-or-later
"""One child process: its start, its lines, its end. It decides nothing."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from . import channel


class Child:
    def __init__(self, name: str, command: list[str], log: Path, on_message: Callable[[dict], None],
                 on_exit: Callable[[str], None], environment: dict[str, str] | None = None, nice: int = 0):
        self.name = name
        # A child goes with its supervisor, however that ends: also a stopped one, which could not notice by itself.
        self._command = ["setpriv", "--pdeathsig", "KILL", "--", "nice", "-n", str(nice), *command]
        self._log = log
        self._environment = environment or {}
        self._on_message = on_message
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self.unsent = 0  # lines it did not get, because it did not listen
        self._watch: asyncio.Task | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        ours, theirs = channel.pair()
        environment = {**os.environ, **self._environment, "REPORT_FD": str(theirs.fileno())}
        try:
            with theirs, open(self._log, "ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                    pass_fds=[theirs.fileno()], env=environment)
        except OSError:
            ours.close()
            raise
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._read, ours)
        self._watch = asyncio.create_task(self._wait(self._process, ours))

    def waited_for_cpu(self) -> float:
        """Seconds that its threads were ready to run and had no processor."""
        waited = 0
        for path in Path(f"/proc/{self.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, IndexError, ValueError):
                waited += int(path.read_text().split()[1])
        return waited * 1e-9

    def send(self, kind: str, **fields) -> bool:
        """Tells it something. Never waits: what it has no room for is counted in `unsent`."""
        if self._socket is None:
            return False
        try:
            self._socket.send(channel.packet(kind, fields))
            return True
        except OSError:  # full, too long, or its end is closed
            self.unsent += 1
        return False

    def send_signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    async def gone(self, timeout: float) -> bool:
        """Whether it has ended within the time."""
        if self._watch:
            await asyncio.wait([self._watch], timeout=timeout)
        return self._process is None

    def _read(self, ours: socket.socket) -> None:
        messages, is_open = channel.receive(ours)
        if not is_open:
            asyncio.get_running_loop().remove_reader(ours)
        for message in messages:
            self._on_message(message)

    async def _wait(self, process: asyncio.subprocess.Process, ours: socket.socket) -> None:
        code = await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        for message in channel.receive(ours)[0]:  # its last words
            self._on_message(message)
        ours.close()
        self._socket = self._process = None
        self._on_exit(f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}")
