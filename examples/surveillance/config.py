# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system's description: a TOML file made into plain values, with a sentence for what is wrong in it."""

import signal
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .policy import Level

POLICIES = ("drop-newest", "drop-oldest", "latest")


class ConfigError(ValueError):
    pass


@dataclass(frozen=True)
class Worker:
    name: str
    command: tuple[str, ...]
    level: Level = Level.NORMAL
    policy: str = "latest"
    depth: int = 0  # frames that may wait; 0: as many as the ring grants
    nice: int = 0


@dataclass(frozen=True)
class Fault:
    worker: str
    signal: signal.Signals
    at: float  # share of the run, 0 to 1


@dataclass(frozen=True)
class Config:
    workers: tuple[Worker, ...]
    faults: tuple[Fault, ...] = ()
    capture: tuple[str, ...] = ("python3", "-m", "surveillance.capture")
    stall_timeout: float = 2.0  # seconds without progress before a worker counts as stuck
    depth: int = 8  # the most frames a reader may let wait
    max_held: int = 3


def load(path: Path) -> Config:
    try:
        with open(path, "rb") as file:
            return parse(tomllib.load(file))
    except (OSError, tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error


def parse(table: dict) -> Config:
    table = dict(table)
    ring = dict(table.pop("ring", {}))
    workers = tuple(_worker(dict(entry)) for entry in table.pop("worker", []))
    names = [worker.name for worker in workers]
    if not workers:
        raise ConfigError("no [[worker]]: there is nothing to run")
    if doubles := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"two workers are called {sorted(doubles)[0]!r}: a name is one lane of the ring")
    capture = dict(table.pop("capture", {}))
    faults = tuple(_fault(dict(entry), names) for entry in table.pop("fault", []))
    config = Config(
        workers,
        faults,
        _command(capture, "[capture]", Config.capture),
        stall_timeout=_number(ring, "stall-timeout", 2.0, low=0.1),
        depth=int(_number(ring, "depth", 8, low=1)),
        max_held=int(_number(ring, "max-held", 3, low=1)),
    )
    _nothing_left(ring, "[ring]")
    _nothing_left(capture, "[capture]")
    _nothing_left(table, "the file")
    return config


def _worker(entry: dict) -> Worker:
    name = entry.pop("name", "")
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= 63:
        raise ConfigError("a [[worker]] needs a name of 1 to 63 bytes")
    where = f"worker {name!r}"
    command = _command(entry, where)
    level = entry.pop("level", Level.NORMAL.value)
    if level not in [known.value for known in Level]:
        raise ConfigError(f"{where}: level {level!r} is none of {', '.join(known.value for known in Level)}")
    policy = entry.pop("policy", "latest")
    if policy not in POLICIES:
        raise ConfigError(f"{where}: policy {policy!r} is none of {', '.join(POLICIES)}")
    worker = Worker(name, command, Level(level), policy, int(_number(entry, "depth", 0, low=0)),
                    int(_number(entry, "nice", 0, low=0)))
    _nothing_left(entry, where)
    return worker


def _fault(entry: dict, names: list[str]) -> Fault:
    worker = entry.pop("worker", "")
    if worker not in names:
        raise ConfigError(f"a [[fault]] names {worker!r}, which is no worker")
    name = entry.pop("signal", "KILL")
    try:
        number = signal.Signals[f"SIG{name}"]
    except KeyError:
        raise ConfigError(f"fault of {worker!r}: no signal is called {name!r}") from None
    fault = Fault(worker, number, _number(entry, "at", 0.5, low=0.0, high=1.0))
    _nothing_left(entry, f"fault of {worker!r}")
    return fault


def _command(entry: dict, where: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    command = entry.pop("command", list(default))
    if not command or not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise ConfigError(f"{where}: command must be a list of words")
    return tuple(command)


def _number(entry: dict, key: str, default: float, low: float, high: float = float("inf")) -> float:
    value = entry.pop(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigError(f"{key} = {value!r}: a number of at least {low:g} is needed"
                          + ("" if high == float("inf") else f", and at most {high:g}"))
    return value


def _nothing_left(entry: dict, where: str) -> None:
    if entry:
        raise ConfigError(f"{where}: unknown key {sorted(entry)[0]!r}")
