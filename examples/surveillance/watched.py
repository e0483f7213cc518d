# SPDX-License-Identifier: LGPL-2.1-or-later
"""One child of a camera and all that is known of it: its process, its life so far, its record."""

import sys
from dataclasses import asdict, dataclass, field, fields

from .child import Child
from .config import Worker
from .policy import ALIVE, Level, Lifecycle, Phase
from .record import Account, Record
from .throttle import Throttle
from .untrusted import Fields


@dataclass
class Watched:
    level: Level
    child: Child
    life: Lifecycle
    record: Record
    settings: Worker | None = None  # None: capture
    said_bye: bool = False
    chatter: Throttle = field(default_factory=Throttle)  # events that it caused by its own lines
    news: Throttle = field(default_factory=Throttle)  # of its health
    complaints: Throttle = field(default_factory=lambda: Throttle(5, 1 / 60))  # of what it does wrong; it may do so for ever

    @property
    def worker(self) -> Worker:
        """The settings of a worker: capture has none."""
        assert self.settings is not None, f"{self.record.name} is no worker"
        return self.settings

    @property
    def is_foreign(self) -> bool:
        """Started by others, such as a container: watched only."""
        return self.settings is not None and not self.settings.command

    def history(self, now: float) -> dict:
        """State that must survive the manager."""
        record = self.record
        return {"life": self.life.history(now), "restarts": record.restarts, "found": record.found,
                "account": asdict(record.account)}

    def restore(self, history: dict, now: float, passed: float) -> None:
        """A history that is not right raises and changes nothing."""
        told = Fields("its history", history)
        restarts, found, counts = told.whole("restarts"), told.whole("found"), told.table("account")
        account = Account(*(counts.whole(field.name) for field in fields(Account)))
        self.life.restore(history.get("life"), now, passed)
        self.record.restarts, self.record.found, self.record.account = restarts, found, account
        self.record.begin_books()


def program(command: tuple[str, ...]) -> list[str]:
    """`python3` is the interpreter that runs this."""
    return [sys.executable if word == "python3" else word for word in command[:1]] + list(command[1:])


def settled(watched: Watched) -> bool:
    return lives(watched) or watched.life.phase is Phase.GIVEN_UP


def lives(watched: Watched) -> bool:
    return watched.life.phase is Phase.RUNNING and watched.record.state in ALIVE
