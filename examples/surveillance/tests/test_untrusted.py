# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thousands of wrong values and bytes at each border, in process: nothing comes through, and nothing breaks."""

import asyncio
import contextlib
import json
import os
import random
import select
import re
import signal
import socket
import threading

import nasty
import prometheus_client
import pytest
from surveillance import channel, config, events, files, manage, messages, snapshot, supervisor, untrusted
from surveillance.manager import Manager
from surveillance.recording.__main__ import Recorder
from surveillance.web.metrics import Collector
from surveillance.web.server import Moment
from surveillance.web.settings import Settings
from test_supervisor import LIVES, System
from web_fixture import Pretend, camera, served, worker

GOOD = {"web": {"listen": "127.0.0.1:0", "names": ["a.example"]}, "ring": {"stall-timeout": 2.0, "depth": 4, "max-readers": 8},
        "worker": [{"name": "all", "command": ["true"], "level": "high", "restarts": 5, "window": 60.0, "fallback": ["true"]}],
        "camera": [{"name": "front", "input": "test", "recorder": {"segment": "5 min", "max-size": "1 GB", "depth": 4},
                    "clips": {"before": "5 s", "per-hour": 10},
                    "worker": [{"name": "w", "command": ["sleep", "1"], "nice": 3, "max-drop-rate": 0.1, "max-frame-age": 1.0}]}]}
LANE = {"worker": "one", "state": "ok", "previous-state": "waiting", "reason": "it reads", "generation": 1, "offered": 9, "delivered": 5,
        "dropped": 3, "pending": 1, "age-p50": 100, "age-p99": 2000, "reader-state": "active", "pid": 77, "drop-rate": 0.1}
STATS = {"kind": "stats", "last": False, "recorder": LANE | {"worker": "r"},
         "ring": {"accounts": [LANE], "dropped-no-slot": 3, "slots": 4, "free-slots": 1, "owned": 2, "loaned": 1,
                  "violations": {"seals": 0}},
         "supply": {"received": 9, "published": 8, "mailbox-drops": 1, "branches": [LANE | {"worker": "b"}]}}
HEALTH = {"kind": "health", "worker": "one", "state": "stuck", "previous-state": "ok", "reason": "no progress"}
FRAME = {"kind": "frame", "seq": 5, "age": 0.1, "work": 0.2, "missed": 1, "alone": 1, "found": 2}
TRIGGER = {"kind": "event", "label": "person", "seq": 5, "time": 100.5, "found": 1, "boxes": [[1, 2, 3, 4]]}
REPORT = {"kind": "report", "disk": "ok", "error": "", "segments": 3, "bytes": 10**6, "age": 0.5}
FROM_WORKERS = [FRAME, TRIGGER, REPORT, {"kind": "bye", "lost": 3}, {"kind": "warning", "text": "x"}, {"kind": "clip", "text": "x"}]


@pytest.fixture
def chance():
    return random.Random(nasty.SEED)


def lines(chance, good, count):
    """JSON with wrong values, and damaged JSON."""
    values = nasty.VALUES + nasty.SURROGATES
    for number in range(count):
        line = json.dumps(nasty.mutate(chance.choice(good), chance, values)).encode()
        yield nasty.damage(line, chance) if number % 3 == 0 else line
    yield from (b"", b"\0", b"[" * 100_000, b'{"kind":' * 5000, b"\xff" * 100, b'"', b"1" * 100_000, b'{"kind": "frame", "age": 1e999}',
                b'{"kind": "bye", "kind": "frame"}', b"x" * (channel.MAX_LINE + 1))


def told(made):
    """All that page and metrics would say: strict JSON, and figures."""
    moment = {"at": 1.0, "started_at": 1.0, "cameras": [snapshot._camera(made.supervisor)]}
    json.dumps(moment, allow_nan=False).encode()
    json.loads(Moment(moment, {}, {}, {}).json, parse_constant=pytest.fail)
    registry = prometheus_client.CollectorRegistry()
    registry.register(Collector(lambda: moment))
    return prometheus_client.generate_latest(registry).decode()


def test_whatever_a_worker_writes_is_counted_or_refused_and_the_next_line_counts(tmp_path, chance):
    made = System(tmp_path, one=(LIVES, "high"))
    one = made["one"]
    for line in lines(chance, FROM_WORKERS, 6000):
        made.supervisor._hear(one, line)
    told(made)
    heard = one.record.heard
    made.supervisor._hear(one, json.dumps(FRAME).encode())
    assert one.record.heard == heard + 1
    assert {event.kind for event in made.events} <= {"warning", "error", "clip", "trigger"}
    assert all(len(event.text) < 600 and event.text.isprintable() for event in made.events)
    assert len(made.events) < 100  # not an event for each line


def test_whatever_a_capture_process_writes_is_counted_or_refused_and_the_next_line_counts(tmp_path, chance):
    async def scenario():
        made = System(tmp_path, one=(LIVES, "high"))
        for line in lines(chance, [STATS, STATS, HEALTH, {"kind": "error", "text": "x"}], 6000):
            made.supervisor._hear(made.supervisor.capture, line)
        told(made)
        made.supervisor._hear(made.supervisor.capture, json.dumps(STATS).encode())
        assert made["one"].record.account.plus(made["one"].record.before).offered >= 9
        assert "surveillance_worker_frames_offered_total" in told(made)
        assert len(made.supervisor.books.branches) <= 16 and len(made.events) < 200
    asyncio.run(scenario())


@pytest.mark.parametrize("line, sentence", [
    (b'{"kind": "frame", "age": NaN}', "NaN is no JSON"),
    (b'{"kind": "frame", "age": "x"}', "frame: age = 'x': a number of -1 to 1e+06 is needed"),
    (b'{"kind": "frame", "age": true}', "frame: age = True: a number"),
    (b'{"kind": "frame", "found": 1.5}', "frame: found = 1.5: a whole number"),
    (b'{"kind": "frame", "found": 1' + b"0" * 400 + b"}", "frame: found = 1000"),
    (b'{"kind": "bye", "lost": -1}', "bye: lost = -1"),
    (b'{"kind": "event", "boxes": [[1, 2]]}', "a box has four numbers"),
    (b'{"kind": "report", "bytes": "x"}', "report: bytes = 'x'"),
    (b'{"kind": "report", "x": {}}', "report: x = {}"),
    (b'{"kind": "other"}', "kind = 'other': one of frame, report, event"),
    (b'{"kind": ["frame"]}', "a line: kind = "),
    (b'{"kind": "frame", "kind": "frame"}', "a key stands in it twice"),
    (b"[" * 100_000, "nested too deeply"),
], ids=range(13))
def test_a_refused_line_is_an_event_that_says_what_is_wrong(tmp_path, line, sentence):
    made = System(tmp_path, one=(LIVES, "high"))
    made.supervisor._hear(made["one"], line)
    assert sentence in made.seen("warning", "one")[0].text
    assert made["one"].record.heard == 0


def test_lines_that_are_refused_for_ever_are_told_ever_more_seldom(tmp_path, monkeypatch):
    made, clock = System(tmp_path, one=(LIVES, "high")), [0.0]
    monkeypatch.setattr(supervisor, "now", lambda: clock[0])
    for _ in range(36_000):
        clock[0] += 0.1
        made.supervisor._hear(made["one"], b"nonsense")
    assert len(made.events) <= 5 + 60  # in an hour
    assert "more were held back" in made.events[-1].text


def test_readers_that_come_and_go_all_the_time_do_not_fill_the_log(tmp_path):
    made = System(tmp_path, one=(LIVES, "high"))
    for number in range(5000):
        made.supervisor._hear(made.supervisor.capture, json.dumps(HEALTH | {"worker": f"stranger {number}"}).encode())
    assert len(made.events) < 100


def test_a_file_is_a_description_that_can_be_run_or_a_sentence(tmp_path, chance):
    path, accepted = tmp_path / "x.toml", 0
    good = nasty.file(GOOD)
    path.write_bytes(good)
    manage.read(path, tmp_path)
    for number in range(3000):
        table = nasty.mutate(GOOD, chance)
        content = nasty.damage(good, chance) if number % 3 == 0 or not isinstance(table, dict) else nasty.file(table)
        path.write_bytes(content)
        try:
            settings = manage.read(path, tmp_path)
        except config.ConfigError as error:
            assert str(path) in str(error) and len(str(error)) < 1500
            continue
        accepted += 1
        for one in settings.cameras:
            made = supervisor.Supervisor(one, tmp_path / "s", tmp_path / "out" / one.name, lambda *event: None)
            for watched in made.everybody:
                words, environment, nice = made._command(watched) if not watched.is_foreign else ([], {}, 0)
                assert not any("\0" in word for word in (*words, *environment, *environment.values())) and 0 <= nice < 20
                if watched.settings:
                    limits = watched.settings.limits
                    messages.to_capture({"kind": "limits", "workers": {"w": {"drop_rate": limits.drop_rate, "frame_age": limits.frame_age}}})
                json.dumps(watched.history(1.0), allow_nan=False)
    assert accepted > 100  # else the mutations are too wild to say anything


@pytest.mark.parametrize("name", list(nasty.files('[web]\nname = "front"\ninput = "test"\nname = "w"\n["sleep", "1000"]\nrestarts = 50\n')))
def test_damaged_files_are_refused_with_a_message(tmp_path, name):
    good = '[web]\n[[camera]]\nname = "front"\ninput = "test"\n[[camera.worker]]\nname = "w"\ncommand = ["sleep", "1000"]\nrestarts = 50\n'
    path, sockets = tmp_path / "x.toml", tmp_path / ("s" * (90 - len(str(tmp_path)))) if len(str(tmp_path)) < 89 else tmp_path
    path.write_bytes(good.encode())
    manage.read(path, sockets)
    path.write_bytes(nasty.files(good)[name])
    if name == "camera a file":  # right as a file; the manager finds it cannot make the folder
        manage.read(path, sockets)
        return
    with pytest.raises(config.ConfigError) as refused:
        manage.read(path, sockets)
    assert len(str(refused.value)) < 1500 and "internal" not in str(refused.value)
    assert not re.search(r"(Assertion|Attribute|Index|Key|Name|Type)Error", str(refused.value)), "our own mistake"


def test_a_state_file_is_used_or_put_aside_and_the_manager_is_made(tmp_path, chance):
    first = Manager(config.parse({"camera": [{"name": "front", "input": "test"}], "worker": [{"name": "w", "command": ["true"]}]}),
                    tmp_path, tmp_path)
    first.save()
    good = json.loads((tmp_path / "state.json").read_text())
    settings = first.config
    os.close(first._lock)
    values = nasty.VALUES + nasty.SURROGATES
    for number in range(600):
        text = json.dumps(nasty.mutate(good, chance, values)).encode()
        (tmp_path / "state.json").write_bytes(nasty.damage(text, chance) if number % 3 == 0 else text)
        manager = Manager(settings, tmp_path, tmp_path)
        manager.event("", "x", "", "y")
        manager.save(ended=True)
        json.dumps(snapshot.snapshot(manager), allow_nan=False)
        for one in manager.cameras.values():
            for watched in one.everybody:
                watched.life.exited("x", 1.0)  # the arithmetic of its delays
        os.close(manager._lock)
        json.loads((tmp_path / "state.json").read_text(), parse_constant=pytest.fail)


def test_a_history_that_is_not_right_is_told_and_changes_nothing(tmp_path):
    made = System(tmp_path, one=(LIVES, "high"))
    with pytest.raises(untrusted.Refused, match="restarts = 'many'"):
        made.supervisor.restore({"at": 1.0, "children": {"one": made["one"].history(1.0) | {"restarts": "many"}}})
    assert made["one"].record.restarts == 0


def test_the_recorder_takes_a_trigger_or_says_why_not(chance):
    class Here:
        said = []
        kept = []
        _sender = type("Sender", (), {"send": lambda self, kind, **fields: Here.said.append(fields["text"])})()
        _clips = type("Clips", (), {"trigger": lambda self, trigger: Here.kept.append(trigger)})()
        _reel = type("Reel", (), {"find": lambda self, seq: None})()
        _trigger = Recorder._trigger
    for line in lines(chance, [TRIGGER | {"worker": "person"}], 3000):
        with contextlib.suppress(Exception):  # the channel's own business: see above
            Recorder._hear(Here(), channel.parse(line))
    assert len(Here.kept) > 100 and len(Here.said) > 100
    for trigger in Here.kept:
        assert len(trigger.label) <= 63 and trigger.label.isprintable() and len(trigger.boxes) <= messages.MOST_BOXES
        assert abs(trigger.utc) < 1e11 and isinstance(trigger.seq, int)


REQUEST = (b"GET /healthz/front/person HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nOrigin: http://127.0.0.1\r\nUpgrade: websocket\r\n"
           b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\nContent-Length: 3\r\n\r\nabc")
REQUESTS = [REQUEST, REQUEST.replace(b"/healthz/front/person", b"/pictures/front/person.jpg"), b"GET /metrics HTTP/1.0\r\nHost: [::1]\r\n\r\n",
            b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET http://x/../../%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /pictures/..%2f..%2f/%c3%28.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000,
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"POST /snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"]


def test_whatever_is_asked_of_the_page_is_answered_or_refused_and_the_page_goes_on(tmp_path, chance, caplog):
    pretend = Pretend(tmp_path, camera("front", workers=[worker("person")]))

    def ask(port, request, patience=0.1):
        with socket.create_connection(("127.0.0.1", port)) as asking:
            asking.settimeout(patience)
            with contextlib.suppress(OSError):
                asking.sendall(request)
                return asking.recv(1000)
        return b""

    def ask_all(port):
        answers = set()
        for number in range(1500):
            request = chance.choice(REQUESTS)
            answer = ask(port, nasty.damage(request, chance) if number % 5 else request)
            if answer.startswith(b"HTTP/"):
                answers.add(int(answer.split()[1]))
        return answers, [ask(port, request, 60) for request in (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"no HTTP\r\n\r\n")]

    async def scenario():
        async with served(pretend) as (_web, address):
            return await asyncio.to_thread(ask_all, int(address.rsplit(":", 1)[1]))
    answers, (good, bad) = asyncio.run(scenario())
    assert b"200 OK" in good and b"400 Bad Request" in bad
    assert not {status for status in answers if status >= 500 and status != 503}
    assert "could not answer" not in caplog.text


def places(folder):
    """Things at a path that are no file."""
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to(folder / "nothing" / "here")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "full").symlink_to("/dev/full")
    (folder / "link").symlink_to(folder / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "socket"))
    listening.close()
    return [folder / name for name in ("fifo", "folder", "dangling", "loop", "zero", "full", "link", "socket")]


def test_what_is_no_file_is_neither_read_nor_appended_to_nor_waited_for(tmp_path):
    for path in places(tmp_path):
        with pytest.raises(OSError):
            files.read(path, 100)
        with pytest.raises(OSError):
            files.append(path, b"x", 100)


def test_what_is_no_file_gives_way_to_a_new_one(tmp_path):
    for path in places(tmp_path):
        if path.name == "folder":
            with pytest.raises(OSError):
                files.replace(path, b"new")
        else:
            files.replace(path, b"new")
            assert files.read(path, 3) == b"new" and not path.is_symlink()
    os.mkfifo(tmp_path / ".zero.new")  # also under the temporary name
    files.replace(tmp_path / "zero", b"newer")
    assert (tmp_path / "zero").read_bytes() == b"newer"


def test_a_file_is_read_up_to_its_bound_only(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert files.read(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        files.read(tmp_path / "x", 4)


def test_a_pipe_is_read_where_that_was_asked_for_and_not_waited_for_too_long(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    with pytest.raises(OSError, match="did not end within 0.05 s"):
        files.read(f"/proc/self/fd/{reading}", 100, 0.05)
    os.write(writing, b"def")
    os.close(writing)
    assert files.read(f"/proc/self/fd/{reading}", 100, 10.0) == b"def"
    os.close(reading)


def test_a_file_that_is_appended_to_never_grows_beyond_its_bound(tmp_path):
    path = tmp_path / "x"
    for number in range(100):
        files.append(path, b"%03d\n" % number, 40)
        assert path.stat().st_size <= 40
    kept = (tmp_path / "x.1").read_bytes() + path.read_bytes()
    assert kept == b"".join(b"%03d\n" % number for number in range(100))[-len(kept):]
    (tmp_path / "x.1").unlink()
    (tmp_path / "x.1").mkdir()  # nothing can be kept
    for number in range(100):
        files.append(path, b"%03d\n" % number, 40)
        assert path.stat().st_size <= 40


def test_an_event_is_plain_bounded_text_whoever_tells_it(tmp_path):
    log = events.Events()
    log.subscribe(events.to_file(tmp_path / "events.jsonl"))
    log.add("front", "warning", "a\udcffb", "\ud800" + "x" * 100_000 + "\n")
    event, = log.kept
    assert len(event.text) <= 1000 and event.text.isprintable() and event.worker == "a\ufffdb"
    assert json.loads((tmp_path / "events.jsonl").read_text())["worker"] == "a\ufffdb"
    os.unlink(tmp_path / "events.jsonl")
    os.mkfifo(tmp_path / "events.jsonl")
    log.add("front", "warning", "w", "it does not wait")


def test_reading_that_takes_too_long_is_ended():
    with pytest.raises(untrusted.TooLong), untrusted.cpu_limit(0.1):
        while True:
            pass
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0
    thread = threading.Thread(target=lambda: untrusted.cpu_limit(0.1).__enter__())  # where no signal arrives, no limit
    thread.start()
    thread.join()


def test_an_address_that_is_none_costs_the_page_only(tmp_path):
    pretend = Pretend(tmp_path)

    class Told(Pretend):
        def event(self, camera, kind, worker, text):
            self.events.append((kind, text))

    async def scenario():
        from surveillance.web import server
        told = Told(tmp_path)
        told.cameras = {}
        web = await server.serve(told, Settings(host="fe80::1%nothing\0", port=1))
        await web.stop()
        return told.events
    assert asyncio.run(scenario())[0][0] == "warning"
    assert pretend.asked == 0


def test_a_descriptor_that_takes_nothing_costs_lines_only():
    from surveillance.logs import WAITING, Outlet
    reading, writing = os.pipe()
    outlet = Outlet(writing)
    for number in range(3 * WAITING):
        outlet.offer(f"{number} " + "x" * 200)
    assert outlet.lost > 0
    outlet.close(0.1)
    assert select.select([reading], [], [], 10)[0]
    assert os.read(reading, 4) == b"0 xx"
