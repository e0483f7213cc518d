# SPDX-License-Identifier: LGPL-2.1-or-later
"""One exception a status of the C API. Each is also what Python programs would expect: a ValueError, a ConnectionError, ..."""


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

for _error in (Error, *by_status.values()):
    _error.__module__ = "shmring"
