# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes that a new version of the file makes. Pure: two descriptions in, a plan out."""

from dataclasses import dataclass, replace

from .config import Camera, Config, ConfigError, Ring


@dataclass(frozen=True)
class Plan:
    stop: tuple[str, ...]  # cameras, by name
    start: tuple[Camera, ...]  # new, or so much changed that they begin anew: those are in `stop` too
    change: tuple[Camera, ...]  # the camera goes on; workers may come and go


def plan(old: Config, new: Config, readers: dict[str, int]) -> Plan:
    """`readers`: how many each running camera's ring has room for. More than that is a ConfigError, and no plan."""
    before = {camera.name: camera for camera in old.cameras}
    after = {camera.name: camera for camera in new.cameras}
    anew = {name for name in before.keys() & after.keys() if _pipeline(before[name]) != _pipeline(after[name])}
    kept = before.keys() & after.keys() - anew
    for name in kept:
        if after[name].attached > readers[name]:
            raise ConfigError(f"camera {name!r} would have {after[name].attached} readers, but its ring was made for "
                              f"{readers[name]}: set max-readers = {after[name].attached} or more in its [ring], and "
                              "the camera begins anew")
    return Plan(tuple(name for name in before if name not in after or name in anew),
                tuple(camera for name, camera in after.items() if name not in before or name in anew),
                tuple(after[name] for name in after if name in kept))


def _pipeline(camera: Camera) -> tuple[str, Ring, tuple[str, ...]]:
    """Settings of the running capture process."""
    return camera.input, replace(camera.ring), camera.capture
