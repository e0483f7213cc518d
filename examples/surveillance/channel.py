# SPDX-License-Identifier: LGPL-2.1-or-later
"""Channel between a child and the supervisor: one JSON line per packet, on a socket whose number is in REPORT_FD.

A packet goes whole or not at all, so whoever does not listen costs the other a counted line and never a wait.
"""

import errno
import json
import os
import select
import socket

from .untrusted import Fields, Refused, explain, parse_object

MAX_LINE = 1 << 17  # bytes
MOST_LINES, MOST_BYTES = 1024, 1 << 20  # that are taken at once


class Sender:
    """The child's end. Without REPORT_FD (a worker started by hand) the lines go nowhere."""

    def __init__(self, descriptor: int | None = None):
        given = os.environ.get("REPORT_FD") if descriptor is None else descriptor
        try:
            self._socket = None if given is None else socket.socket(fileno=int(given))
        except (ValueError, OSError) as error:
            raise SystemExit(f"REPORT_FD={given}: the number of an open socket is needed, or no such variable: {error}") from error
        if self._socket:
            self._socket.setblocking(False)
        self.lost = 0
        self.closed = False  # the other end is gone: time to end

    def fileno(self) -> int:
        """Readable when the supervisor told something, or is gone; -1 without one."""
        return self._socket.fileno() if self._socket else -1

    def receive(self) -> list[dict]:
        """The messages of the supervisor since the last call. Never waits."""
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
        except OSError as error:
            self.lost += 1
            self.closed = error.errno != errno.EMSGSIZE
        return False


def packet(kind: str, fields: dict) -> bytes:
    return json.dumps({"kind": kind, **fields}).encode() + b"\n"


def pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end (not blocking) and the child's end (to be inherited, then closed here)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def lines(ours: socket.socket, most: int = MOST_LINES) -> tuple[list[bytes], bool]:
    """Up to so many lines of those that wait, and whether the child's end is still open."""
    found: list[bytes] = []
    size = 0
    while len(found) < most and size < MOST_BYTES:
        try:
            line = ours.recv(MAX_LINE + 1)
        except BlockingIOError:
            return found, True
        except OSError:
            return found, False
        if not line and _is_closed(ours):
            return found, False
        found.append(line)
        size += len(line)
    return found, True


def _is_closed(ours: socket.socket) -> bool:
    """An empty packet looks like the end."""
    state = select.poll()
    state.register(ours, select.POLLRDHUP)
    return bool(state.poll(0))


def parse(line: bytes) -> dict:
    """A JSON object with a `kind`. Raises, whatever is wrong."""
    if len(line) > MAX_LINE:
        raise Refused(f"a line has at most {MAX_LINE} bytes")
    message = parse_object(line)
    Fields("a line", message).text("kind")
    return message


def receive(ours: socket.socket) -> tuple[list[dict], bool]:
    """As lines(), as objects. What is none becomes one of kind `unreadable`."""
    found, is_open = lines(ours)
    messages: list[dict] = []
    for line in found:
        try:
            messages.append(parse(line))
        except Exception as error:  # of whatever was written
            messages.append({"kind": "unreadable", "text": explain(error), "line": line[:80].decode(errors="replace")})
    return messages, is_open
