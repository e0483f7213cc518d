# SPDX-License-Identifier: LGPL-2.1-or-later
"""One exception a status of the C API. Each is also what Python programs would expect: a ValueError, a ConnectionError, ..."""

import asyncio
import collections
import concurrent.futures
import sys


class Error(Exception):
    """Anything that went wrong in shmring. `status` is the C API's name for it."""

    status = "error"


class Timeout(Error, TimeoutError):
    """No answer came in time."""

    status = "timeout"


class End(Error, EOFError):
    """The publisher ended the stream, and every frame before the end was taken."""

    status = "end"


class Disconnected(Error, ConnectionError):
    """The publisher is gone."""

    status = "disconnected"


class Interrupted(Error):
    """Reader.interrupt() was called."""

    status = "interrupted"


class Full(Error):
    """No slot is free."""

    status = "full"


class TooLarge(Error, ValueError):
    """The frame does not fit into a slot."""

    status = "too-large"


class TooManyHeld(Error):
    """The reader holds as many frames as it may. Release some, and delete the arrays made from them."""

    status = "too-many-held"

    def __str__(self):
        names = _holders(self)
        return super().__str__() + (f" (held by {', '.join(names)})" if names else "")


class InUse(Error):
    """The path has a live publisher, the ring its readers, or the name its owner."""

    status = "in-use"


class Refused(Error, ConnectionError):
    """The publisher refused what was asked."""

    status = "refused"


class Invalid(Error, ValueError):
    """An argument is out of its range."""

    status = "invalid"


class ProtocolError(Error, ConnectionError):
    """The peer broke the protocol, or speaks another version of it."""

    status = "protocol"


class NoMemory(Error, MemoryError):
    """The memory is not to be had."""

    status = "no-memory"


class SystemCallFailed(Error, OSError):
    """A system call failed; the text names it."""

    status = "system"


class Forked(Error):
    """The reader or publisher belongs to the parent process."""

    status = "forked"


class Closed(Error, ValueError):
    """The reader or publisher was closed."""

    status = "closed"


by_status = {
    error.status: error
    for error in (
        Timeout, End, Disconnected, Interrupted, Full, TooLarge, TooManyHeld, InUse,
        Refused, Invalid, ProtocolError, NoMemory, SystemCallFailed, Forked, Closed,
    )
}


def _holders(error):
    """Variables that hold frames, as far as they are in reach: those of the functions that the error came through, their callers, and those that the
    traceback of an earlier error keeps."""
    names: list = []
    context, last = error.__context__, getattr(sys, "last_value", None)
    for kept, why in (error, ""), (context, ", kept by the exception before this one"), (last, ", kept by sys.last_value"):
        for frame in _frames_of(kept, callers=kept is error):
            for name, value in frame.f_locals.items():
                if _holds(value):
                    names.append(f"{name} in {frame.f_code.co_name}{why}")
    return list(dict.fromkeys(names))[:5]


def _frames_of(error, callers):
    """The interpreter's frames of functions, at most 50."""
    traceback = getattr(error, "__traceback__", None)
    found: list = []
    caller = traceback.tb_frame.f_back if traceback and callers else None
    while traceback and len(found) < 50:
        found.append(traceback.tb_frame)
        traceback = traceback.tb_next
    while caller and len(found) < 50:
        found.append(caller)
        caller = caller.f_back
    return found


def _holds(value):
    if isinstance(value, (asyncio.Future, concurrent.futures.Future)):
        return value.done() and not value.cancelled() and value.exception() is None and _is_frame(value.result())
    if isinstance(value, (list, tuple, set, collections.deque)):
        return any(map(_is_frame, list(value)[:100]))
    if isinstance(value, dict):
        return type(value) is dict and any(map(_is_frame, list(value.values())[:100]))
    return _is_frame(value)


def _is_frame(value):
    """A frame that was not released, or an array that shares the memory of one."""
    kind = type(value)
    if kind.__module__ == "shmring" and kind.__name__ == "Frame":
        return not repr(value).endswith("released>")
    while type(value).__name__ == "ndarray":
        value = value.base
    return type(value).__name__ == "PyCapsule"


for _error in (Error, *by_status.values()):
    _error.__module__ = "shmring"
