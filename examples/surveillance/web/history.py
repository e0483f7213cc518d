# SPDX-License-Identifier: LGPL-2.1-or-later
"""The last minutes of each worker, a sample a second: what the small plots show. Bounded, and forgotten with the worker."""

from collections import deque

KEPT = 300  # samples: five minutes
COLUMNS = ("at", "age", "offered", "dropped", "state")  # unix s, s or null, frames and frames in that second, a word
BOOKS = ("offered", "delivered", "dropped")

Key = tuple[str, str]  # camera, worker


def accounts(camera: dict) -> list[dict]:
    """Everybody who is given frames: processes and branches."""
    return [*camera.get("workers", ()), *camera.get("branches", ())]


class History:
    def __init__(self, kept: int = KEPT):
        self._kept = kept
        self._series: dict[Key, deque] = {}
        self._books: dict[Key, tuple[int, ...]] = {}

    def add(self, snapshot: dict) -> dict:
        """The new samples, camera → worker → values in the order of COLUMNS."""
        samples: dict[str, dict[str, list]] = {}
        seen = set()
        for camera in snapshot["cameras"]:
            for account in accounts(camera):
                key = (camera["name"], account["name"])
                seen.add(key)
                sample = self._sample(key, account, camera.get("reports", {}).get(account["name"]), snapshot["at"])
                self._series.setdefault(key, deque(maxlen=self._kept)).append(sample)
                samples.setdefault(key[0], {})[key[1]] = sample
        for key in self._series.keys() - seen:  # taken out of the file
            del self._series[key], self._books[key]
        return samples

    def all(self) -> dict:
        result: dict[str, dict[str, list]] = {}
        for (camera, worker), series in self._series.items():
            result.setdefault(camera, {})[worker] = list(series)
        return result

    def _sample(self, key: Key, account: dict, report: dict | None, at: float) -> list:
        books = tuple(int(account.get(name) or 0) for name in BOOKS)
        before = self._books.get(key, books)
        if books[0] < before[0]:  # a new publisher begins new books
            before = (0,) * len(BOOKS)
        self._books[key] = books
        offered, delivered, dropped = (max(0, new - old) for new, old in zip(books, before))
        age = None
        if delivered:  # else there is none: a gap in the line, not the last one drawn for ever
            told = (report or {}).get("age")
            age = told if isinstance(told, (int, float)) else account.get("age_p50")
        return [round(at, 1), age, offered, dropped, account["state"]]
