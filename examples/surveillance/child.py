# SPDX-License-Identifier: LGPL-2.1-or-later
"""One child process: its start, its lines, its end. It decides nothing."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from . import channel
from .logs import Log
from .throttle import Allowance

LINES = 64  # read at once
LINE_BYTES = 1000  # what a line counts at least
PER_SECOND, BURST = 500_000, 1_000_000  # bytes of lines, so at most 500 lines a second for long

# A child goes with its supervisor, however that ends: also a stopped one, which could not notice by itself. One whose
# supervisor ended before that was arranged does not begin.
BOUND = ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] && exec nice -n "$@"']


class Child:
    def __init__(self, name: str, log: Path, on_line: Callable[[bytes], None], on_exit: Callable[[str], None],
                 on_trouble: Callable[[str], None] = lambda text: None):
        """`on_line` gets what it sent, unchecked, and raises nothing; `on_trouble` a sentence."""
        self.name = name
        self.unsent = 0  # lines it did not get, because it did not listen
        self._log = Log(log, on_trouble)
        self._pace = Allowance(PER_SECOND, BURST)
        self._on_line = on_line
        self._on_exit = on_exit
        self._on_trouble = on_trouble
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
            with theirs:
                printed = self._log.open()
                try:
                    self._process = await asyncio.create_subprocess_exec(
                        *BOUND, str(os.getpid()), str(nice), *command, stdin=asyncio.subprocess.DEVNULL, stdout=printed,
                        stderr=printed, pass_fds=[theirs.fileno()], env=environment, start_new_session=True)
                finally:
                    os.close(printed)
        except BaseException:
            self._log.close()
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

    async def gone(self, timeout: float) -> bool:
        """Tells whether it has ended within the time."""
        if self._watch:
            await asyncio.wait([self._watch], timeout=timeout)
        return self._process is None

    def _read(self, ours: socket.socket) -> None:
        """A child that sends too much is read later, so that its lines wait, and are lost, on its own side."""
        loop = asyncio.get_running_loop()
        lines, is_open = channel.lines(ours, LINES)
        wait = self._pace.spend(sum(max(LINE_BYTES, len(line)) for line in lines), time.monotonic())
        if wait or not is_open:
            loop.remove_reader(ours)
        if wait and is_open:
            loop.call_later(max(wait, 0.1), self._read_on, ours)
            self._on_trouble(f"it sends more than {PER_SECOND // LINE_BYTES} lines or {PER_SECOND / 1e6:g} MB a second: they "
                             "are read no faster")
        for line in lines:
            self._on_line(line)

    def _read_on(self, ours: socket.socket) -> None:
        if ours is self._socket:
            asyncio.get_running_loop().add_reader(ours, self._read, ours)

    async def _wait(self, process: asyncio.subprocess.Process, ours: socket.socket) -> None:
        code = await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # what it started: the next one finds no name taken
            os.killpg(process.pid, signal.SIGKILL)
        asyncio.get_running_loop().remove_reader(ours)
        for line in channel.lines(ours)[0]:  # its last words; not all of what it left may be sending
            self._on_line(line)
        ours.close()
        self._log.close()
        self._socket = self._process = None
        reason = f"killed by {_name(-code)}" if code < 0 else f"ended with code {code}"
        if code > 0 and (last := self._log.last_line):
            reason += f", the last line of its log: {last}"
        self._on_exit(reason)


def _name(number: int) -> str:
    """Also of the real-time signals, most of which have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
