# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system's description: a TOML file made into plain values, with a sentence for what is wrong in it.

What stands outside of a [[camera]] holds for every camera; a camera adds to it and overrides it. A file without
[[camera]] is one camera called "camera".
"""

import json
import os
import re
import signal
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from . import files
from .model import ModelError
from .model import parse as parse_model
from .policy import Level, Limits
from .recording import config as recording
from .untrusted import cpu_limit, explain, is_number, short
from .zones import MOST_ZONES, Zone, ZoneError
from .zones import parse as parse_zones

POLICIES = ("drop-newest", "drop-oldest", "latest")
RECORDER = "recorder"  # the worker that [recorder] and [clips] ask for
SPARE_READERS = 2  # for workers that a later version of the file adds, while the camera goes on
MOST_READERS = 63  # of a ring
MOST_CAMERAS = 256
MOST_FAULTS = 1000
MOST_BYTES = 1 << 18  # of the file
MOST_CPU = 1.0  # s of processor time for reading it
MOST_WORDS, MOST_WORD = 1000, 100_000  # of a command; characters: the kernel takes no longer ones
MOST_INPUT = 4096  # characters
MOST_RESTARTS = 10_000
DAY, YEAR = 86400.0, 366 * 86400.0  # s

# Names that a camera's folder must not have: the manager and the demonstration keep files of these names beside it.
FILES = frozenset({"lock", "state.json", "state.new", "state.unreadable", "events.jsonl", "events.jsonl.1", "recording.mkv",
                   "report.json", "contact-sheet.png", "vtest.avi", "vtest.part"})
BRANCHES = frozenset({"capture", "inbox", "ring-branch", "recorder-branch"})  # names beside the workers' in metrics and events


class ConfigError(ValueError):
    pass


@dataclass(frozen=True)
class Worker:
    name: str
    command: tuple[str, ...]  # none: others start it, and the manager only watches
    level: Level = Level.NORMAL
    policy: str = "latest"
    depth: int = 0  # frames that may wait; 0: as many as the ring grants
    nice: int = 0
    limits: Limits = Level.NORMAL.limits
    restarts: int = Level.NORMAL.restarts  # within the window
    window: float = 60.0  # s
    grace: float = 30.0  # s from its start, with a processor to run on, in which it need not show life, nor finish a frame
    fallback: tuple[str, ...] = ()  # the command started once it is given up; none: the others go on without it
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Fault:
    worker: str
    signal: signal.Signals
    at: float  # share of the run, 0 to 1


@dataclass(frozen=True)
class Ring:
    stall_timeout: float = 30.0  # seconds without progress before a worker counts as stuck; as of the elements
    depth: int = 8  # the most frames a reader may let wait
    max_held: int = 3
    reconnect: float = 60.0  # seconds without a frame after which the camera is asked anew; 0: never
    max_readers: int = 0  # 0: those of the file and SPARE_READERS more


@dataclass(frozen=True)
class Camera:
    name: str
    input: str
    workers: tuple[Worker, ...]
    ring: Ring = Ring()
    capture: tuple[str, ...] = ("python3", "-m", "surveillance.capture")
    recorder: dict | None = None  # as given: the recorder's own module knows what it means
    clips: dict | None = None
    faults: tuple[Fault, ...] = ()
    zones: tuple[Zone, ...] = ()

    @property
    def attached(self) -> int:
        """Number of readers that this file asks for."""
        return len(self.workers) + self.records

    @property
    def records(self) -> bool:
        return self.recorder is not None or self.clips is not None

    @property
    def readers(self) -> int:
        return self.ring.max_readers or min(MOST_READERS, self.attached + SPARE_READERS)


@dataclass(frozen=True)
class Config:
    cameras: tuple[Camera, ...]
    web: dict = field(default_factory=dict)  # as given: the page's own module knows what it means


def load(path: Path, patience: float = 0.0) -> Config:
    """Every fault of the file is a ConfigError. With patience the path may be a pipe that ends within so many seconds."""
    try:
        content = files.read(path, MOST_BYTES, patience)
        with cpu_limit(MOST_CPU):
            return parse(tomllib.loads(content.decode("utf-8-sig")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except Exception as error:
        raise ConfigError(f"{path}: {explain(error)}") from error


def parse(table: dict) -> Config:
    table = dict(table)
    web = _table(table, "web", "the file")
    own = _tables(table, "camera", "the file", MOST_CAMERAS)
    for_all = {key: table.pop(key) for key in [*CAMERA_TABLES, "input", "worker", "fault", "zone"] if key in table}
    _nothing_left(table, "the file")
    cameras = tuple(_camera(entry, for_all) for entry in own or [{"name": "camera"}])
    if twice := _twice(camera.name for camera in cameras):
        raise ConfigError(f"two cameras are called {twice!r}")
    if shared := _twice(folder for camera in cameras for folder in _absolute_folders(camera)):
        raise ConfigError(f"two recorders have the same folder {shared}: each would delete what the other writes. Without `folder` each camera "
                          "has its own; else give each its own in [camera.recorder] or [camera.clips]")
    return Config(cameras, web)


CAMERA_TABLES = ("ring", "capture", "recorder", "clips")


def _camera(entry: dict, for_all: dict) -> Camera:
    name = entry.pop("name", "")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}", name):
        raise ConfigError(f"camera {short(name)}: a name of 1 to 32 letters, digits, '_', '-' and '.' is needed: "
                          "folder and socket are called so")
    where = f"camera {name!r}"
    if name in FILES or name.endswith(".sock") or ".sock." in name:
        raise ConfigError(f"{where}: a file of the manager is called so: choose another name")
    address = entry.pop("input", for_all.get("input", ""))
    if not isinstance(address, str) or len(address) > MOST_INPUT or "\0" in address or address.startswith("-"):
        raise ConfigError(f"{where}: input = {short(address)}: a file, /dev/video0, an address, or \"test\" is needed")
    given = {*for_all, *entry}
    tables = {key: _table(for_all, key, "the file", keep=True) | _table(entry, key, where) for key in CAMERA_TABLES}
    ring, capture = tables["ring"], tables["capture"]
    recorder, clips = (tables[key] if key in given else None for key in ("recorder", "clips"))
    records = recorder is not None or clips is not None
    common = [_worker(table) for table in _tables(for_all, "worker", "the file", MOST_READERS, keep=True)]
    own = [_worker(table, where) for table in _tables(entry, "worker", where, MOST_READERS)]
    for group in (common, own):
        if twice := _twice(worker.name for worker in group):
            raise ConfigError(f"{where}: two workers are called {twice!r}: a name is one lane of the ring")
    workers = {worker.name: worker for worker in [*common, *own]}
    if records:
        try:
            recording.parse(recorder, clips, workers)
        except recording.RecordingError as error:
            raise ConfigError(f"{where}, {error}") from error
    if not workers and not records:
        raise ConfigError(f"{where} has no [[worker]]: there is nothing to run")
    reserved = BRANCHES | {RECORDER} if records else BRANCHES
    if taken := reserved & set(workers):
        raise ConfigError(f"{where}: no worker may be called {min(taken)!r}: the manager itself has one of that name")
    faults = [_fault(table, workers) for table in
              [*_tables(for_all, "fault", "the file", MOST_FAULTS, keep=True), *_tables(entry, "fault", where, MOST_FAULTS)]]
    try:
        zones = parse_zones([*_tables(for_all, "zone", "the file", MOST_ZONES, keep=True), *_tables(entry, "zone", where, MOST_ZONES)],
                            where, workers)
    except ZoneError as error:
        raise ConfigError(str(error)) from error
    camera = Camera(name, address, tuple(workers.values()), _ring(ring, where), _command(capture, f"{where}, [capture]",
                    Camera.capture), recorder, clips, tuple(faults), zones)
    _nothing_left(capture, f"{where}, [capture]")
    _nothing_left(entry, where)
    if camera.readers < camera.attached:
        raise ConfigError(f"{where}: it has {camera.attached} workers, but there is room for {camera.readers}: set max-readers in "
                          f"[ring], at most {MOST_READERS}")
    return camera


def _absolute_folders(camera: Camera) -> list[str]:
    """Of its recordings; the others are below its own folder."""
    if not camera.records:
        return []
    settings = recording.parse(camera.recorder, camera.clips, [worker.name for worker in camera.workers])
    folders = [settings.folder] if settings.segment else []
    return [os.path.normpath(folder) for folder in folders + ([settings.clips.folder] if settings.clips else []) if os.path.isabs(folder)]


def _ring(entry: dict, where: str) -> Ring:
    where = f"{where}, [ring]"
    ring = Ring(
        stall_timeout=_number(entry, "stall-timeout", Ring.stall_timeout, where, low=0.1, high=DAY),
        depth=_integer(entry, "depth", Ring.depth, where, low=1, high=256),
        max_held=_integer(entry, "max-held", Ring.max_held, where, low=1, high=256),
        reconnect=_number(entry, "reconnect", Ring.reconnect, where, low=0, high=YEAR),
        max_readers=_integer(entry, "max-readers", Ring.max_readers, where, low=0, high=MOST_READERS),
    )
    _nothing_left(entry, where)
    return ring


def _worker(entry: dict, camera: str = "") -> Worker:
    name = entry.pop("name", "")
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= 63 or not name.isprintable() or "/" in name \
            or name in (".", ".."):
        raise ConfigError((f"{camera}: " if camera else "") + "a [[worker]] needs a name of 1 to 63 bytes, printable and without '/', not '.' "
                          "or '..': it is a lane's name and a file's")
    where = (f"{camera}, " if camera else "") + f"worker {name!r}"
    command = _command(entry, where) if "command" in entry else ()
    level = Level(_choice(entry, "level", Level.NORMAL.value, [known.value for known in Level], where))
    policy = _choice(entry, "policy", "latest", POLICIES, where)
    fallback = entry.pop("fallback", "none")
    worker = Worker(
        name, command, level, policy,
        depth=_integer(entry, "depth", 0, where, low=0, high=256),
        nice=_integer(entry, "nice", 0, where, low=0, high=19),
        limits=Limits(_number(entry, "max-drop-rate", level.limits.drop_rate, where, low=0, high=1),
                      _number(entry, "max-frame-age", level.limits.frame_age, where, low=0, high=DAY)),
        restarts=_integer(entry, "restarts", level.restarts if command else 0, where, low=0,
                          high=MOST_RESTARTS if command else 0),
        window=_number(entry, "window", Worker.window, where, low=1, high=YEAR),
        grace=_number(entry, "grace", Worker.grace, where, low=1, high=YEAR),
        fallback=() if fallback == "none" else _words(fallback, f"{where}: fallback is \"none\" or"),
        environment=_model(entry.pop("model"), where) if "model" in entry else (),
    )
    _nothing_left(entry, where)
    return worker


def _model(table, where: str) -> tuple[tuple[str, str], ...]:
    """The description of a detector goes to its worker as it stands in the file."""
    try:
        parse_model(table)
    except ModelError as error:
        raise ConfigError(f"{where}: {error}") from error
    return ("WORKER_MODEL", json.dumps(table)),


def _fault(entry: dict, names) -> Fault:
    worker = entry.pop("worker", "")
    if not isinstance(worker, str) or worker not in names:
        raise ConfigError(f"a [[fault]] names {short(worker)}, which is no worker")
    where = f"fault of {worker!r}"
    name = entry.pop("signal", "KILL")
    try:
        number = signal.Signals[f"SIG{name}"]
    except KeyError:
        raise ConfigError(f"{where}: no signal is called {short(name)}") from None
    fault = Fault(worker, number, _number(entry, "at", 0.5, where, low=0.0, high=1.0))
    _nothing_left(entry, where)
    return fault


def _command(entry: dict, where: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    return _words(entry.pop("command", list(default)), f"{where}: command must be")


def _words(value, sentence: str) -> tuple[str, ...]:
    if not value or not isinstance(value, list) or not all(isinstance(word, str) for word in value) or not value[0]:
        raise ConfigError(f"{sentence} a list of words")
    if len(value) > MOST_WORDS or max(map(len, value)) > MOST_WORD or any("\0" in word for word in value):
        raise ConfigError(f"{sentence} a list of at most {MOST_WORDS} words of at most {MOST_WORD} characters, none of them NUL")
    return tuple(value)


def _choice(entry: dict, key: str, default: str, known, where: str) -> str:
    value = entry.pop(key, default)
    if value not in known:
        raise ConfigError(f"{where}: {key} {short(value)} is none of {', '.join(known)}")
    return value


def _number(entry: dict, key: str, default: float, where: str, low: float, high: float) -> float:
    value = entry.pop(key, default)
    if not is_number(value, low, high):
        raise ConfigError(f"{where}: {key} = {short(value)}: a number of at least {low:g} is needed, and at most {high:g}")
    return value


def _integer(entry: dict, key: str, default: int, where: str, low: int, high: int) -> int:
    value = _number(entry, key, default, where, low, high)
    if value != int(value):
        raise ConfigError(f"{where}: {key} = {short(value)}: a whole number is needed")
    return int(value)


def _table(entry: dict, key: str, where: str, keep: bool = False) -> dict:
    value = entry.get(key, {}) if keep else entry.pop(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: {key} must be a table: [{key}]")
    return dict(value)


def _tables(entry: dict, key: str, where: str, most: int, keep: bool = False) -> list[dict]:
    value = entry.get(key, []) if keep else entry.pop(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigError(f"{where}: {key} must be a list of tables: [[{key}]]")
    if len(value) > most:
        raise ConfigError(f"{where}: {len(value)} [[{key}]], at most {most} are possible")
    return [dict(item) for item in value]


def _twice(names) -> str | None:
    names = list(names)
    return next((name for name in names if names.count(name) > 1), None)


def _nothing_left(entry: dict, where: str) -> None:
    if entry:
        raise ConfigError(f"{where}: unknown key {short(sorted(entry)[0])}")
