# SPDX-License-Identifier: LGPL-2.1-or-later
"""One child process: its start, its lines, its end. It decides nothing."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from . import channel


LOG_BYTES = 10_000_000  # of its log; what was before is kept in NAME.log.1

# A child goes with its supervisor, however that ends: also a stopped one, which could not notice by itself. One whose
# supervisor ended before that was arranged does not begin.
BOUND = ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] && exec nice -n "$@"']


class Child:
    def __init__(self, name: str, log: Path, on_message: Callable[[dict], None], on_exit: Callable[[str], None]):
        self.name = name
        self.unsent = 0  # lines it did not get, because it did not listen
        self._log = log
        self._on_message = on_message
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._watch: asyncio.Task | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, command: list[str], environment: dict[str, str] | None = None, nice: int = 0) -> None:
        ours, theirs = channel.pair()
        environment = {**os.environ, **(environment or {}), "REPORT_FD": str(theirs.fileno())}
        try:
            with theirs, open(self._log, "ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *BOUND, str(os.getpid()), str(nice), *command, stdin=asyncio.subprocess.DEVNULL, stdout=log,
                    stderr=log, pass_fds=[theirs.fileno()], env=environment, start_new_session=True)
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
        """To it and to whatever it started."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def trim_log(self) -> None:
        """Keeps a talkative child from filling the disk."""
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self._log, self._log.with_name(self._log.name + ".1"))
                os.truncate(self._log, 0)

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
