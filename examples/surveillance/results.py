# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results of a worker as they come back: checked, timed, kept for the page, watched like any lane. Pure, told what came and when."""

import json
from collections import deque

from .record import KEPT, Account, Record
from .untrusted import clean
from .zones import Crossing, Presence, Thing, Zone

MOST_KEPT, MOST_KEPT_BYTES = 256, 1 << 20  # results, for the page: some seconds
MOST_SHOWN = 100  # objects of one
MOST_LATENCY = 3600.0  # s


class Results:
    """Of one worker. Its `record` has the account of the ring of results, and its state."""

    def __init__(self, worker: str, zones: tuple[Zone, ...], stall_timeout: float):
        self.record = Record(f"{worker}/results")
        self.presence = Presence(worker, zones)
        self.latencies: deque[float] = deque(maxlen=KEPT)  # s, from the capture of the frame until its result was sent
        self.refused = 0
        self._refused_before = 0  # by readers before the present one
        self._stall_timeout = stall_timeout
        self._kept: deque[tuple[int | None, str]] = deque()
        self._kept_bytes = 0
        self._taken = 0
        self._quiet_for = 0.0

    def took(self, result, now: float, at: float) -> list[Crossing]:
        """One result; monotonic and unix seconds. Returns what it says of the zones."""
        latency = result.latency if result.latency is not None and 0 <= result.latency <= MOST_LATENCY else None
        if latency is not None:
            self.latencies.append(latency)
        self.record.found += len(result.objects)
        self._keep(result.sequence, json.dumps({
            "sequence": result.sequence, "at": at, "latency": latency, "width": result.width, "height": result.height,
            "objects": [{"label": clean(one.label, 64), "score": one.score, "box": [*one.box], "track": one.track}
                        for one in result.objects[:MOST_SHOWN]], "left_out": max(0, len(result.objects) - MOST_SHOWN)}))
        return self.presence.update(_things(result) if self.presence.zones else [], now)

    def find(self, sequence: int | None) -> str | None:
        """The result of that frame as JSON, or else the newest one."""
        newest = self._kept[-1][1] if self._kept else None
        return next((text for number, text in reversed(self._kept) if sequence is not None and number == sequence), newest)

    def begin(self) -> None:
        """A new reader, which counts from nothing."""
        self.record.begin_books()
        self._refused_before = self.refused
        self._taken = 0

    def look(self, stats: dict, is_connected: bool, passed: float, now: float) -> list[Crossing]:
        """Judges the ring from what its reader counted. `passed`: watched seconds. Returns what that says of the zones."""
        taken, began_anew = stats["taken"], self.record.generation not in (0, stats["attachments"])
        self.record.took_account(Account(taken + stats["missed"], taken, stats["missed"], 0), now)
        self.record.generation = max(self.record.generation, stats["attachments"])
        self.refused = self._refused_before + stats["refused"]
        self._quiet_for = 0.0 if taken != self._taken or not is_connected else self._quiet_for + passed
        self._taken = taken
        if not is_connected:
            state, reason = ("dead", "its publisher is gone") if stats["attachments"] else ("waiting", "")
        elif self._quiet_for >= self._stall_timeout:
            state, reason = "starved", f"no result came for {self._quiet_for:.1f} s"
        else:
            state, reason = ("ok", "") if taken else ("waiting", "no result came yet")
        if state != self.record.state:
            self.record.took_state(state, reason, now)
        return self.presence.end() if began_anew or state == "dead" else self.presence.silent(now)

    def _keep(self, sequence: int | None, text: str) -> None:
        self._kept.append((sequence, text))
        self._kept_bytes += len(text)
        while len(self._kept) > MOST_KEPT or self._kept_bytes > MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft()[1])


def _things(result) -> list[Thing]:
    """Those that have a track, and a picture to be in."""
    if not result.width or not result.height:
        return []
    return [Thing(one.track, clean(one.label, 64), (one.box[0] + one.box[2] / 2) / result.width, (one.box[1] + one.box[3]) / result.height)
            for one in result.objects if one.track is not None]
