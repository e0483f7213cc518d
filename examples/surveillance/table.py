# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output for people: a live table on a terminal, plain lines elsewhere, and the report's tables at the end."""

import asyncio
from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .events import Event
from .record import Record, now, percentiles
from .supervisor import Supervisor

STATE_STYLE = {"ok": "green", "waiting": "cyan", "slow": "yellow", "starved": "yellow", "stuck": "bold red",
               "dead": "bold red"}
EVENT_STYLE = {"fault": "bold magenta", "kill": "red", "exit": "red", "give-up": "bold red", "error": "bold red",
               "restart": "green", "left": "yellow", "health": "default", "warning": "yellow"}
WIDE = 175  # columns that the whole table needs
LINE_EVERY = 5.0  # s, where there is no terminal


class Screen:
    def __init__(self, console: Console, title: str, began: float):
        self._console = console
        self._title = title
        self._began = began  # unix time
        self._events: deque[Event] = deque(maxlen=10)

    def event(self, event: Event) -> None:
        self._events.append(event)
        if not self._console.is_terminal:
            self._console.print(self._line(event), soft_wrap=True)

    async def show(self, supervisor: Supervisor) -> None:
        """Until cancelled."""
        if self._console.is_terminal:
            with Live(console=self._console, refresh_per_second=4, transient=True) as live:
                while True:
                    table = worker_table(supervisor, self._title, self._console.width)
                    live.update(Group(table, *map(self._line, self._events)))
                    await asyncio.sleep(0.25)
        while True:
            await asyncio.sleep(LINE_EVERY)
            for record in _records(supervisor):
                account = record.account
                self._console.print(
                    f"{now() - supervisor.started_at:6.1f}  {record.name:<16} {record.state:<8}"
                    f" offered {account.offered} delivered {account.delivered} dropped {account.dropped}"
                    f" pending {account.pending} age {_ms(record.age(50))} found {record.found} restarts {record.restarts}",
                    highlight=False, soft_wrap=True)

    def _line(self, event: Event) -> Text:
        style = EVENT_STYLE.get(event.kind, "default")
        return Text(f"{event.at - self._began:6.1f}  {event.kind:<8} {event.worker:<16} {event.text}", style)


def worker_table(supervisor: Supervisor, title: str, width: int) -> Table:
    table = Table(title=f"{title} · {now() - supervisor.started_at:.0f} s", title_justify="left")
    about = ("level", "policy", "pid") if width >= WIDE else ()
    for heading in ("worker", *about, "state"):
        table.add_column(heading)
    for heading in ("offered", "delivered", "dropped", "pending", "age p50", "p99", "latency p50", "p99", "found", "restarts", "gen"):
        table.add_column(heading, justify="right")
    for watched in supervisor.workers.values():
        state = watched.record.state if watched.child.pid else f"{watched.record.state} ({watched.life.phase.value})"
        about = (watched.level.value, watched.worker.policy, str(watched.child.pid or "")) if width >= WIDE else ()
        record = watched.record
        table.add_row(record.name, *about, _state(record.state, state), *_figures(record, supervisor.latencies(record.name)))
    for record in supervisor.books.branches.values():
        about = ("", "in process", "") if width >= WIDE else ()
        table.add_row(record.name, *about, _state(record.state, record.state), *_figures(record))
    return table


def print_report(console: Console, supervisor: Supervisor, report: dict) -> None:
    console.print(worker_table(supervisor, "Report", console.width))
    for fault in report["faults"]:
        others = Table(title=f"{fault['signal']} of {fault['worker']}: the others during it and as long before",
                       title_justify="left")
        for heading in ("worker", "offered", "dropped", "offered before", "dropped before", "lost", "CPU wait",
                        "lost by it"):
            others.add_column(heading, justify="left" if heading == "worker" else "right")
        for name, other in fault["others"].items():
            figures = [other[when][what] for when in ("during", "before") for what in ("offered", "dropped")]
            others.add_row(name, *map(str, [*figures, other["lost"], f"{other['cpu_wait']:.1f} s", other["blamed"]]))
        console.print(others)
    for check in report["checks"]:
        mark = Text("ok    ", "green") if check["holds"] else Text("FAILED", "bold red")
        detail = f"  ({check['detail']})" if check["detail"] else ""
        console.print(mark, Text(check["what"] + detail), soft_wrap=True)


def _records(supervisor: Supervisor) -> list[Record]:
    return [watched.record for watched in supervisor.workers.values()] + list(supervisor.books.branches.values())


def _figures(record: Record, latencies=()) -> list[str]:
    account, latency = record.account, percentiles(latencies, 0.5, 0.99)
    return [str(figure) for figure in (account.offered, account.delivered, account.dropped, account.pending)] + [
        _ms(record.age(50)), _ms(record.age(99)), *map(_ms, latency), str(record.found), str(record.restarts), str(record.generation)]


def _state(state: str, text: str) -> Text:
    return Text(text, STATE_STYLE.get(state, "default"))


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.1f} ms"
