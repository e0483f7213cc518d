# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshot of everything, as plain values for JSON: all that page and metrics ever read."""

import time
from dataclasses import asdict

from .manager import Manager
from .policy import Phase
from .record import Record, now, percentiles
from .results import Results
from .supervisor import Supervisor
from .watched import Watched

WELL = ("waiting", "ok", "starved")  # starved: the camera's matter


def snapshot(manager: Manager) -> dict:
    return {"at": time.time(), "started_at": manager.started_at,
            "cameras": [_camera(supervisor) for supervisor in manager.cameras.values()]}


def _camera(supervisor: Supervisor) -> dict:
    capture = supervisor.capture
    workers = supervisor.workers
    return {
        "name": supervisor.camera.name,
        "input": supervisor.camera.input,
        **_process(capture),
        "received": supervisor.books.supply.get("received", 0),
        "published": supervisor.books.supply.get("published", 0),
        "mailbox_drops": supervisor.books.supply.get("mailbox-drops", 0),
        "ring": {key.replace("-", "_"): value for key, value in supervisor.books.ring.items() if key != "accounts"},
        "workers": [_worker(watched, supervisor.listener.results.get(name)) for name, watched in workers.items()],
        "branches": [{"name": record.name, **_health(record), **_account(record)}
                     for record in [*supervisor.books.branches.values(), *supervisor.listener.records]],
        "zones": [{"name": zone.name, "points": zone.points,
                   "inside": sum(results.presence.inside(zone.name) for results in supervisor.listener.results.values())}
                  for zone in supervisor.camera.zones],
        "reports": {name: watched.record.report for name, watched in workers.items() if watched.record.report},
    }


def _process(watched: Watched) -> dict:
    life = watched.life
    return {**_health(watched.record), "phase": life.phase.value, "pid": watched.child.pid,
            "restarts": watched.record.restarts, "restarts_left": life.left(now())}


def result(manager: Manager, camera: str, worker: str, sequence: int | None) -> str | None:
    """The result of that frame as JSON, or else the worker's newest one."""
    results = manager.cameras[camera].listener.results.get(worker) if camera in manager.cameras else None
    return results.find(sequence) if results else None


def _worker(watched: Watched, results: Results | None) -> dict:
    record, settings = watched.record, watched.worker
    age = percentiles(record.ages, 0.5, 0.99)
    work = percentiles(record.works, 0.5, 0.99)
    return {
        "name": record.name, "level": watched.level.value, "policy": settings.policy, **_process(watched),
        "fallback": watched.life.fell_back, "foreign": watched.is_foreign,
        "generation": record.generation, **_account(record),
        "age_p50": record.element_ages.get(50) if age[0] is None else age[0],
        "age_p99": record.element_ages.get(99) if age[1] is None else age[1],
        "work_p50": work[0], "work_p99": work[1],
        "found": record.found,
        **_results(results),
        "level_kept": watched.life.phase is Phase.RUNNING and record.state in WELL,
        "limits": asdict(settings.limits),
    }


def _results(results: Results | None) -> dict:
    """Nothing of a worker that sends none."""
    if results is None or not (results.refused or results.record.account.offered):
        return {}
    latency = percentiles(results.latencies, 0.5, 0.99)
    return {"results": results.record.account.delivered - results.refused, "results_refused": results.refused,
            "latency_p50": latency[0], "latency_p99": latency[1]}


def _health(record: Record) -> dict:
    return {"state": record.state, "reason": record.reason, "since": time.time() - (now() - record.since)}


def _account(record: Record) -> dict:
    return asdict(record.account)
