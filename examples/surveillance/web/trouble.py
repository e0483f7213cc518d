# SPDX-License-Identifier: LGPL-2.1-or-later
"""Troubles, the worst first: read from a snapshot, for the banner and the number in the page's title. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GIVEN_UP = "given up"
LIVING = ("starting", "running")


@dataclass(frozen=True)
class Trouble:
    severity: str  # "fault": a person must act; "warning": the manager is at it, or the world outside is
    camera: str
    worker: str  # "" = the camera itself
    text: str
    since: float | None = None  # unix s


def troubles(snapshot: dict, last_words: Mapping[tuple[str, str], str] = MappingProxyType({})) -> list[Trouble]:
    """`last_words`: why a worker, or `capture`, of a camera was given up, as the event told it."""
    found = [trouble for camera in snapshot["cameras"] for trouble in _of_camera(camera, last_words)]
    return sorted(found, key=lambda trouble: trouble.severity != "fault")


def _of_camera(camera: dict, last_words: Mapping[tuple[str, str], str]) -> list[Trouble]:
    name, phase, state = camera["name"], camera.get("phase"), camera.get("state")
    reason = camera.get("reason") or ""
    if phase == GIVEN_UP:
        why = last_words.get((name, "capture"), reason)
        return [Trouble("fault", name, "", _sentence("its capture was given up", why), camera.get("since"))]
    workers = camera.get("workers", [])
    result = []
    if phase == "stopped":
        return []
    silent = [worker for worker in workers if worker.get("state") == "starved"]
    if phase not in LIVING:
        result.append(Trouble("warning", name, "", _sentence("its capture is being started again", reason), camera.get("since")))
    elif state == "starved" or (silent and len(silent) == sum(worker.get("phase") == "running" for worker in workers)):
        since = camera.get("since") if state == "starved" else min(
            (worker["since"] for worker in silent if worker.get("since")), default=None)
        result.append(Trouble("warning", name, "", "the camera gives no frames; its workers wait, and are left alone", since))
    elif state in ("stuck", "dead"):
        result.append(Trouble("warning", name, "", _sentence(f"its capture is {state}", reason), camera.get("since")))
    for worker in workers:
        result += _of_worker(name, worker, last_words)
    for recorder, report in (camera.get("reports") or {}).items():
        result += _of_disks(name, recorder, report)
    return result


def _of_disks(camera: str, recorder: str, report: dict) -> list[Trouble]:
    disks = (("segments", report.get("disk"), report.get("error")), ("clips", report.get("clips_disk"), report.get("clips_error")))
    return [Trouble("fault", camera, recorder, _sentence(f"cannot write {kept}, the disk is {state}", error or ""))
            for kept, state, error in disks if state not in (None, "ok")]


def _of_worker(camera: str, worker: dict, last_words: Mapping[tuple[str, str], str]) -> list[Trouble]:
    name, phase, state, reason = worker["name"], worker.get("phase"), worker.get("state"), worker.get("reason") or ""
    if phase == GIVEN_UP:
        why = last_words.get((camera, name), reason)
        return [Trouble("fault", camera, name, _sentence("was given up", why), worker.get("since"))]
    if state == "stuck":
        return [Trouble("warning", camera, name, _sentence("is stuck", reason), worker.get("since"))]
    if phase in ("idle", "ending"):
        return [Trouble("warning", camera, name, _sentence("is gone and will be started again", reason), worker.get("since"))]
    if state == "dead":
        return [Trouble("warning", camera, name, _sentence("is gone", reason), worker.get("since"))]
    if phase == "starting":
        return [Trouble("warning", camera, name, "is not there yet" + ("; others start it" if worker.get("foreign") else ""),
                        worker.get("since"))]
    if worker.get("level_kept") is False and state != "starved":
        return [Trouble("warning", camera, name, f"does not keep its level, {worker.get('level')}", worker.get("since"))]
    return []


def _sentence(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
