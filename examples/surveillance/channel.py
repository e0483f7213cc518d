# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a child and the supervisor tell each other things: one JSON line per packet, on a socket whose number is in REPORT_FD.

A packet goes whole or not at all, so whoever does not listen costs the other a counted line and never a wait.
"""

import json
import os
import socket

MAX_LINE = 1 << 17


class Sender:
    """The child's end. Without REPORT_FD (a worker started by hand) the lines go nowhere."""

    def __init__(self, descriptor: int | None = None):
        if descriptor is None and "REPORT_FD" in os.environ:
            descriptor = int(os.environ["REPORT_FD"])
        self._socket = None if descriptor is None else socket.socket(fileno=descriptor)
        if self._socket:
            self._socket.setblocking(False)
        self.lost = 0
        self.closed = False  # nobody is left to tell: time to end

    def fileno(self) -> int:
        """Readable when the supervisor told something, or is gone; -1 without one."""
        return self._socket.fileno() if self._socket else -1

    def receive(self) -> list[dict]:
        """What the supervisor told since the last call. Never waits."""
        if self._socket is None or self.closed:
            return []
        messages, is_open = receive(self._socket)
        self.closed = not is_open
        return messages

    def send(self, kind: str, **fields) -> bool:
        if self._socket is None or self.closed:
            return False
        try:
            self._socket.send(packet(kind, fields))
            return True
        except BlockingIOError:
            self.lost += 1
        except OSError:
            self.closed = True
        return False


def packet(kind: str, fields: dict) -> bytes:
    return json.dumps({"kind": kind, **fields}).encode() + b"\n"


def pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end (not blocking) and the child's end (to be inherited, then closed here)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def receive(ours: socket.socket) -> tuple[list[dict], bool]:
    """Everything that waits, and whether the child's end is still open. What is no JSON object becomes `unreadable`."""
    messages: list[dict] = []
    while True:
        try:
            line = ours.recv(MAX_LINE)
        except BlockingIOError:
            return messages, True
        except OSError:
            return messages, False
        if not line:
            return messages, False
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
            message = {"kind": "unreadable", "line": line[:80].decode(errors="replace")}
        messages.append(message)
