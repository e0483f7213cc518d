# SPDX-License-Identifier: LGPL-2.1-or-later
"""Result of a run: every account, every fault and its cost, and the checks that decide the exit code."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from . import files
from .config import RECORDER
from .drill import Outcome
from .record import Account, Record, percentile
from .results import Results
from .supervisor import Supervisor


FEW = 10  # frames


@dataclass(frozen=True)
class Check:
    what: str
    holds: bool
    detail: str = ""


def balance(record: Record) -> Check:
    """offered = delivered + dropped + pending, at the end and every time the publisher told its books."""
    account = record.account
    wrong = record.unbalanced[0] if record.unbalanced else account
    return Check(f"{record.name}: offered = delivered + dropped + pending", wrong.balanced and account.offered > 0,
                 f"{wrong.offered} = {wrong.delivered} + {wrong.dropped} + {wrong.pending}")


def heard(record: Record) -> Check:
    """The publisher's books agree with what the worker itself told, but for a frame in its hands when it died."""
    delivered, told = record.account.delivered, record.heard
    unknown = record.abrupt_ends + record.lost_lines
    return Check(f"{record.name}: delivered is what the worker says it took", told <= delivered <= told + unknown,
                 f"delivered {delivered}, told {told}, ended abruptly {record.abrupt_ends} times")


def came_back(record: Record, results: Results) -> Check:
    """A worker sent a result of each frame it told of: they came back, but for those before its ring was found, and each was one."""
    account = results.record.account
    return Check(f"{record.name}: its results came back", results.refused == 0 and (account.delivered > 0 or record.heard < FEW),
                 f"{account.delivered} came, {account.dropped} were missed, {results.refused} refused")


def fault(outcome: Outcome) -> list[Check]:
    name = f"{outcome.signal} of {outcome.worker} at {outcome.at:.1f} s"
    if outcome.survived:
        course = f"{outcome.expected} after {outcome.seen_after:.2f} s, back after {outcome.recovered_after:.2f} s"
    else:
        seen = "never seen" if outcome.seen_after is None else "seen"
        course = f"{outcome.expected} {seen}, " + ("never back" if outcome.recovered_after is None else "back")
    losses = [f"{other.name} lost {other.lost}, waited {other.cpu_wait:.1f} s for a processor"
              for other in outcome.others if other.lost]
    losses += [f"{outcome.no_slot} frames found no slot"] if outcome.no_slot else []
    blamed = outcome.no_slot + sum(other.blamed for other in outcome.others)
    return [
        Check(f"{name}: seen and recovered", outcome.survived, course),
        Check(f"{name}: no other worker lost a frame by it", blamed == 0 and bool(outcome.others),
              "; ".join(losses) or "none lost"),
    ]


def checks(supervisor: Supervisor, outcomes: list[Outcome], living: dict[str, bool], planned: int) -> list[Check]:
    result = []
    for name, watched in supervisor.workers.items():
        result.append(balance(watched.record))
        # A worker need not tell anything (the recorder tells no frame), and a new publisher begins new books.
        if name != RECORDER and (watched.record.heard or watched.said_bye) and supervisor.capture.record.restarts == 0:
            result.append(heard(watched.record))
            if (results := supervisor.listener.results[name]).record.generation:  # its ring was there: it need not have one
                result.append(came_back(watched.record, results))
        result.append(Check(f"{name}: alive at the end", living.get(name, False), watched.record.reason))
    for record in supervisor.books.branches.values():
        result.append(balance(record))
    lost = supervisor.books.slots_lost
    result.append(Check("slots: free + owned + loaned = all", not lost, str(lost[0]) if lost else ""))
    if recording := supervisor.recording:
        size = recording.stat().st_size if recording.exists() else 0
        result.append(Check("the recording was written", size > 0, f"{size} bytes"))
    result.append(Check("every fault of the plan happened", len(outcomes) == planned, f"{len(outcomes)} of {planned}"))
    for outcome in outcomes:
        result += fault(outcome)
    return result


def ages(record: Record) -> dict[str, float | None]:
    return {f"p{percent}": _ms(record.age(percent)) for percent in (50, 99)}


def times(values) -> dict[str, float | None]:
    return {f"p{percent}": _ms(percentile(values, percent / 100)) for percent in (50, 99)}


def as_dict(supervisor: Supervisor, outcomes: list[Outcome], results: list[Check], facts: dict) -> dict:
    return {
        **facts,
        "workers": {
            name: {"level": watched.level.value, "policy": watched.worker.policy, **_account(watched.record),
                   "age_ms": ages(watched.record), "work_ms": times(watched.record.works),
                   "results": _results(supervisor.listener.results.get(name)),
                   "detections": watched.record.found, "restarts": watched.record.restarts,
                   "generation": watched.record.generation}
            for name, watched in supervisor.workers.items()},
        "branches": {name: {**_account(record), "age_ms": ages(record)}
                     for name, record in supervisor.books.branches.items()},
        "capture": {"restarts": supervisor.capture.record.restarts, "ring": _without(supervisor.books.ring, "accounts"),
                    "latestframe": _without(supervisor.books.supply, "branches")},
        "faults": [asdict(outcome) | {"others": {neighbour.name: asdict(neighbour)
                                                 | {"lost": neighbour.lost, "blamed": neighbour.blamed}
                                                 for neighbour in outcome.others}} for outcome in outcomes],
        "checks": [asdict(check) for check in results],
        "passed": all(check.holds for check in results),
    }


def save(report: dict, path: Path) -> None:
    files.replace(path, (json.dumps(report, indent=2) + "\n").encode())


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)


def _account(record: Record) -> dict:
    account: Account = record.account
    return {**asdict(account), "balanced": account.balanced}


def _results(results: Results | None) -> dict | None:
    if results is None:  # of the recorder
        return None
    return {**asdict(results.record.account), "refused": results.refused, "latency_ms": times(results.latencies)}


def _without(table: dict, key: str) -> dict:
    return {name: value for name, value in table.items() if name != key}
