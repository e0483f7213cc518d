# SPDX-License-Identifier: LGPL-2.1-or-later
"""The supervisor with real child processes: a capture that says what the test wants, and workers that only live."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import namedtuple
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from surveillance import config, supervisor
from surveillance.watched import lives
from surveillance.policy import Phase
from surveillance.result_sender import results_path

CAPTURE = """
import signal, sys, time
from surveillance.channel import Sender
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sender, said = Sender(), 0
script = sys.argv[sys.argv.index("--socket") + 1] + ".say"
while True:
    try:
        lines = open(script).read().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines[said:]:
        sender._socket.send(line.encode())
    said = len(lines)
    time.sleep(0.02)
"""
LIVES = "import time\nwhile True: time.sleep(1)"
IGNORES_TERM = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LIVES


def python(code):
    return ["python3", "-c", code]


Told = namedtuple("Told", "kind worker text")


class System:
    def __init__(self, folder, **workers):
        self.folder = folder
        table = {"capture": {"command": python(CAPTURE)},
                 "worker": [{"name": name, "command": python(code) if isinstance(code, str) else code,
                             "level": level, **dict(*more)} for name, (code, level, *more) in workers.items()]}
        self.events = []
        self.supervisor = supervisor.Supervisor(config.parse(table).cameras[0], folder / "s", folder / "out",
                                                lambda *event: self.events.append(Told(*event)))

    def __getitem__(self, name):
        return self.supervisor.workers[name]

    def say(self, kind, **fields):
        with open(self.folder / "s.say", "a") as script:
            script.write(json.dumps({"kind": kind, **fields}) + "\n")

    def health(self, worker, state):
        self.say("health", worker=worker, state=state, **{"previous-state": "?", "reason": "the test says so"})

    def seen(self, kind, worker=None):
        return [event for event in self.events if event.kind == kind and worker in (None, event.worker)]

    async def until(self, condition):
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"never; events: {self.events}")

    async def all_live(self):
        for name in self.supervisor.workers:
            self.health(name, "ok")
        await self.until(lambda: all(lives(watched) for watched in self.supervisor.workers.values()))


@asynccontextmanager
async def system(folder, **workers):
    made = System(folder, **workers)
    await made.supervisor.start()
    try:
        yield made
    finally:
        await made.supervisor.stop()
        assert all(watched.child.pid is None for watched in made.supervisor.everybody)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(supervisor, "LEAVE", 0.2)


def test_a_killed_worker_is_started_again_and_the_others_are_left_alone(tmp_path):
    async def scenario():
        async with system(tmp_path, one=(LIVES, "high"), two=(LIVES, "high")) as made:
            await made.all_live()
            first, other = made["one"].child.pid, made["two"].child.pid
            os.kill(first, signal.SIGKILL)
            await made.until(lambda: made.seen("restart", "one"))
            assert made.seen("exit", "one")[0].text == "killed by SIGKILL"
            assert made["one"].child.pid not in (None, first)
            assert made["two"].child.pid == other
            assert not lives(made["one"])  # until its lane says so
            made.health("one", "waiting")
            await made.until(lambda: lives(made["one"]))
            assert made["one"].record.restarts == 1 and made["two"].record.restarts == 0

    asyncio.run(scenario())


def test_a_worker_that_is_ended_by_a_signal_without_a_name_is_started_again(tmp_path):
    async def scenario():
        async with system(tmp_path, one=(LIVES, "high")) as made:
            await made.all_live()
            os.kill(made["one"].child.pid, signal.SIGRTMIN + 5)
            await made.until(lambda: made.seen("restart", "one"))
            assert made.seen("exit", "one")[0].text == f"killed by signal {signal.SIGRTMIN + 5}"

    asyncio.run(scenario())


def test_a_mistake_in_one_step_ends_neither_the_watching_nor_the_restarts(tmp_path, monkeypatch):
    async def scenario():
        async with system(tmp_path, one=(LIVES, "high")) as made:
            await made.all_live()
            real, failed = made["one"].life.tick, []

            def tick(*arguments):
                if len(failed) < 3:
                    failed.append(1)
                    raise KeyError("a bug")
                return real(*arguments)
            monkeypatch.setattr(made["one"].life, "tick", tick)
            await made.until(lambda: len(failed) == 3)
            assert "internal: KeyError" in made.seen("error")[0].text
            os.kill(made["one"].child.pid, signal.SIGKILL)
            await made.until(lambda: made.seen("restart", "one"))

    asyncio.run(scenario())


def test_a_stopped_worker_is_replaced_once_its_lane_is_stuck(tmp_path):
    async def scenario():
        async with system(tmp_path, one=(LIVES, "high")) as made:
            await made.all_live()
            first = made["one"].child.pid
            os.kill(first, signal.SIGSTOP)
            made.health("one", "stuck")
            await made.until(lambda: made.seen("restart", "one"))
            assert made.seen("kill", "one") and made["one"].child.pid != first
            assert not Path(f"/proc/{first}").exists()

    asyncio.run(scenario())


def test_a_starved_worker_is_never_restarted(tmp_path):
    async def scenario():
        async with system(tmp_path, one=(LIVES, "high"), two=(LIVES, "high")) as made:
            await made.all_live()
            first = made["one"].child.pid
            made.health("one", "starved")
            made.health("two", "stuck")  # comes after it, so the first was dealt with
            await made.until(lambda: made.seen("restart", "two"))
            assert made["one"].child.pid == first and made["one"].record.state == "starved"

    asyncio.run(scenario())


def test_a_worker_that_always_dies_is_given_up_and_the_others_go_on(tmp_path):
    async def scenario():
        async with system(tmp_path, bad=("raise SystemExit(3)", "normal"), good=(LIVES, "high")) as made:
            await made.until(lambda: made.seen("give-up", "bad"))
            assert "ended with code 3; no restart left of 1" in made.seen("give-up", "bad")[0].text
            assert len(made.seen("restart", "bad")) == 1
            assert made["bad"].life.phase is Phase.GIVEN_UP and made["good"].child.pid

    asyncio.run(scenario())


def test_a_command_that_does_not_exist_is_given_up_with_its_reason_in_event_and_log(tmp_path):
    async def scenario():
        made = System(tmp_path, bad=(["/no/such/program"], "best-effort"))
        await made.supervisor.start()
        await made.until(lambda: made.seen("give-up", "bad"))
        await made.supervisor.stop()
        assert "/no/such/program" in (tmp_path / "out/logs/bad.log").read_text()
        assert "ended with code 127, the last line of its log: nice: " in (text := made.seen("give-up", "bad")[0].text) and "/no/such/program" in text

    asyncio.run(scenario())


def test_in_an_outage_the_same_error_is_told_no_more_and_another_one_is(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "QUIET_AFTER", 2)
    (tmp_path / "why").write_text("no camera")
    fails = f"from surveillance.channel import Sender\nSender().send('error', text=open('{tmp_path}/why').read())\nraise SystemExit(1)"

    async def scenario():
        made = System(tmp_path, one=(LIVES, "high"))
        made.supervisor.camera = replace(made.supervisor.camera, capture=tuple(python(fails)))
        await made.supervisor.start()
        await made.until(lambda: made.supervisor.capture.life.failures >= 4)
        assert [event.text for event in made.seen("error")] == ["no camera"] * 2 and len(made.seen("outage")) == 1
        (tmp_path / "why").write_text("another camera")
        await made.until(lambda: len(made.seen("error")) == 3)
        await made.supervisor.stop()
        assert made.seen("error")[2].text == "another camera"

    asyncio.run(scenario())


def test_in_an_outage_a_camera_that_gives_no_frame_is_told_no_more_until_it_gives_one(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "QUIET_AFTER", 2)
    silent = {"kind": "stats", "ring": {"accounts": [], "dropped-no-slot": 0, "slots": 1, "free-slots": 1, "owned": 0, "loaned": 0},
              "supply": {"received": 0, "published": 0, "mailbox-drops": 0, "branches": []}}
    (tmp_path / "says").write_text(json.dumps(silent))
    asked = ("import time\nfrom surveillance.channel import Sender\n"
             f"Sender()._socket.send(open('{tmp_path}/says').read().encode())\ntime.sleep(1)\nexit(1)")

    async def scenario():
        made = System(tmp_path, one=(LIVES, "high"))
        made.supervisor.camera = replace(made.supervisor.camera, capture=tuple(python(asked)))
        life = made.supervisor.capture.life
        life.window = 0.5  # each try is longer
        await made.supervisor.start()
        await made.until(lambda: made.seen("outage"))
        before = len(made.events)
        await made.until(lambda: life.failures >= 4)
        assert made.events[before:] == []
        silent["supply"]["received"] = 5
        (tmp_path / "says").write_text(json.dumps(silent))
        await made.until(lambda: any("→ ok" in event.text for event in made.seen("health", supervisor.CAPTURE)[1:]))
        await made.supervisor.stop()

    asyncio.run(scenario())


def test_a_capture_process_that_dies_is_started_again_and_the_workers_stay(tmp_path):
    async def scenario():
        async with system(tmp_path, one=(LIVES, "high")) as made:
            await made.all_live()
            worker = made["one"].child.pid
            os.kill(made.supervisor.capture.child.pid, signal.SIGKILL)
            await made.until(lambda: made.seen("restart", supervisor.CAPTURE))
            assert made["one"].child.pid == worker

    asyncio.run(scenario())


def test_what_the_publisher_tells_becomes_the_workers_account(tmp_path):
    async def scenario():
        async with system(tmp_path, one=(LIVES, "high")) as made:
            lane = {"worker": "one", "offered": 9, "delivered": 5, "dropped": 3, "pending": 1, "generation": 2}
            slots = {"slots": 4, "free-slots": 1, "owned": 2, "loaned": 1}
            supply = {"received": 9, "published": 8, "mailbox-drops": 1, "branches": [lane | {"worker": "b"}]}
            made.say("stats", ring={"accounts": [lane], "dropped-no-slot": 3, **slots}, supply=supply,
                     recorder=lane | {"worker": "r"})
            await made.until(lambda: made["one"].record.account.offered)
            assert made["one"].record.account.balanced and made["one"].record.generation == 2
            assert made.supervisor.books.branches["b"].account.delivered == 5
            assert made.supervisor.books.slots_lost == []
            now = made["one"].record.course[-1][0]
            assert made.supervisor.books.without_slot(now - 60, now) == 3
            assert made.supervisor.books.inbox.account.dropped == 1

    asyncio.run(scenario())


def test_stopping_ends_also_a_stopped_worker_and_a_stubborn_one(tmp_path):
    async def scenario():
        async with system(tmp_path, stopped=(LIVES, "high"), stubborn=(IGNORES_TERM, "high")) as made:
            await made.all_live()
            os.kill(made["stopped"].child.pid, signal.SIGSTOP)
            results_path(made.supervisor.socket, "stopped").touch()  # its ring of results, which it cannot take away itself
            pids = [watched.child.pid for watched in made.supervisor.everybody]
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        assert not made.seen("restart") and not [*tmp_path.glob("s"), *tmp_path.glob("results@*")]

    asyncio.run(scenario())


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path):
    program = textwrap.dedent("""
        import asyncio, sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from test_supervisor import LIVES, System

        async def main():
            made = System(Path(sys.argv[2]), one=(LIVES, "high"), two=(LIVES, "high"))
            await made.supervisor.start()
            pids = [watched.child.pid for watched in made.supervisor.everybody]
            await made.until(lambda: all(Path(f"/proc/{pid}/comm").read_text().startswith("python") for pid in pids))
            print(*pids, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", program, Path(__file__).parent, tmp_path], stdout=subprocess.PIPE,
                          text=True) as process:
        pids = [int(word) for word in process.stdout.readline().split()]
        os.kill(pids[1], signal.SIGSTOP)
        process.kill()
    assert len(pids) == 3
    for _ in range(500):
        if not [pid for pid in pids if _runs(pid)]:
            return
        time.sleep(0.02)
    raise AssertionError("a child outlived its supervisor")


def _runs(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_end_waits_for_a_killed_process_until_the_kernel_has_ended_it():
    class Late:
        """Its end comes some seconds after SIGKILL, as on a machine that gives it hardly a processor."""

        pid = 1

        def __init__(self):
            self.ended = asyncio.Event()

        def send_signal(self, number):
            if number is signal.SIGKILL:
                asyncio.get_running_loop().call_later(3.0, self.ended.set)

        async def gone(self, timeout):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.ended.wait(), timeout)
            return self.ended.is_set()

    async def scenario():
        child = Late()
        await supervisor._end([namedtuple("Watched", "child")(child)], 0.1)
        assert child.ended.is_set()

    asyncio.run(scenario())
