# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files at paths where another process may have put something: opening never waits, and only regular files are used."""

import contextlib
import errno
import os
import select
import stat
import time
from pathlib import Path

_OPEN = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a directory", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
          stat.S_IFBLK: "a device"}


def read(path: Path, most: int, patience: float = 0.0) -> bytes:
    """The content of a regular file of at most `most` bytes; with patience, also of a pipe that ends within so many seconds.
    Else an OSError says what is there."""
    descriptor = os.open(path, os.O_RDONLY | _OPEN)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not (stat.S_ISFIFO(mode) and patience):
            raise _no_file(mode)
        end = time.monotonic() + patience
        content = b""
        while len(content) <= most:
            if stat.S_ISFIFO(mode) and not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
                raise OSError(errno.ETIMEDOUT, f"the pipe did not end within {patience:g} s")
            part = os.read(descriptor, min(1 << 20, most + 1 - len(content)))
            if not part:
                return content
            content += part
        raise OSError(errno.EFBIG, f"it has more than {most} bytes")
    finally:
        os.close(descriptor)


def append(path: Path, data: bytes, most: int) -> None:
    """All of the data or nothing, at the end of a file that becomes NAME.1 before it has more than `most` bytes. OSError if it
    cannot be."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OPEN, 0o640)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _no_file(status.st_mode)
        size = status.st_size
        if size and size + len(data) > most:
            try:
                os.replace(path, path.with_name(path.name + ".1"))
                os.close(descriptor)
                descriptor = -1
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _OPEN, 0o640)
            except OSError:
                if descriptor < 0:
                    raise
                os.ftruncate(descriptor, 0)  # what was before cannot be kept; it must not grow either
            size = 0
        try:
            _write(descriptor, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def replace(path: Path, data: bytes, through: Path | None = None) -> None:
    """The whole new content or the old one, whatever is at the path. `through`: the temporary name. OSError if it cannot be."""
    new = through or path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o640)
        try:
            _write(descriptor, data)
        finally:
            os.close(descriptor)
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def _no_file(mode: int) -> OSError:
    return OSError(errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, and a regular file is needed")
