# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a manager must know of the one before it: restarts, give-ups, counters. A small file, replaced as a whole."""

import contextlib
import fcntl
import json
import os
import signal
import time
from pathlib import Path

VERSION = 1
MARK = "SURVEILLANCE_FOLDER"  # in the environment of every child: whose it is


class InUse(RuntimeError):
    pass


def lock(folder: Path) -> int:
    """One manager per folder; the lock goes with the process. The descriptor is the lock. Not on the folder itself:
    publishers lock that for a moment, where it is also the sockets' folder."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise InUse(f"another manager runs on {folder}") from None
    return descriptor


def load(path: Path) -> dict:
    """Empty where there is none. A file that cannot be understood is put aside: a ValueError says so."""
    try:
        state = json.loads(path.read_text())
        if not isinstance(state, dict) or state.get("version") != VERSION:
            raise ValueError(f"it is no state of version {VERSION}")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        aside = path.with_suffix(".unreadable")
        path.rename(aside)
        raise ValueError(f"{path}: {error}; put aside as {aside.name}, all begins anew") from error
    return state


def save(path: Path, **state) -> None:
    """All or nothing, also on a full disk: that raises OSError and leaves the old one."""
    new = path.with_suffix(".new")
    try:
        new.write_text(json.dumps({"version": VERSION, "at": time.time(), **state}) + "\n")
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def kill_leftovers(folder: Path) -> list[int]:
    """Ends whoever a manager of this folder started that was killed: processes that its children had started."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0") and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)
                found.append(int(process.name))
    return found
