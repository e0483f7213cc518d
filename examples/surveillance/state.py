# SPDX-License-Identifier: LGPL-2.1-or-later
"""State that one manager leaves to the next: restarts, give-ups, counters. A small file, replaced as a whole."""

import contextlib
import fcntl
import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import files
from .untrusted import Fields, explain, parse_object

VERSION = 1
MOST_BYTES = 16 << 20  # of the file
MARK = "SURVEILLANCE_FOLDER"  # in the environment of every child: whose it is


class InUse(RuntimeError):
    pass


def lock(folder: Path) -> int:
    """One manager per folder; the lock goes with the process. The descriptor is the lock. Not on the folder itself:
    every process that may read a folder can lock it."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InUse(f"another manager runs on {folder}") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@dataclass(frozen=True)
class Before:
    """State left by the manager before this one."""

    pid: int = 0  # 0: there was none
    ended: bool = False  # in order
    next_event: int = 1
    cameras: dict[str, dict] = field(default_factory=dict)  # histories, which Supervisor.restore() checks


def load(path: Path) -> Before:
    """Nothing where there is no file. What cannot be understood is put aside: a ValueError says so."""
    try:
        told = parse_object(files.read(path, MOST_BYTES))
        fields = Fields("the state", told)
        if fields.whole("version") != VERSION:
            raise ValueError(f"it is no state of version {VERSION}")
        cameras = told.get("cameras", {})
        if not isinstance(cameras, dict) or not all(isinstance(history, dict) for history in cameras.values()):
            raise ValueError("cameras: a table of tables is needed")
        return Before(fields.whole("pid", low=1), fields.flag("ended", False), fields.whole("next_event", 1, low=1, high=2**53), cameras)
    except FileNotFoundError:
        return Before()
    except Exception as error:  # whatever is in it, or in its place
        aside = path.with_suffix(".unreadable")
        try:
            path.rename(aside)
            where = f"put aside as {aside.name}"
        except OSError as failure:
            where = f"not put aside: {failure.strerror}"
        raise ValueError(f"{path}: {explain(error)}; {where}, all begins anew") from error


def save(path: Path, **state) -> None:
    """All or nothing, also on a full disk: that raises OSError and leaves the old one."""
    files.replace(path, (json.dumps({"version": VERSION, "at": time.time(), **state}) + "\n").encode(), path.with_suffix(".new"))


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
