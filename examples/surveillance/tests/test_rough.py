# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real manager while strangers write its files, its lines, its logs and its requests: it goes on, and says what it saw."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import nasty
import pytest
from real_system import PATIENCE, System, eventually, free_port
from surveillance.logs import LOG_BYTES

GOOD = """
[capture]
command = ["sh", "-c", "exec sleep 1000"]
[[camera]]
name = "front"
input = "test"
[[camera.worker]]
name = "w"
command = ["sleep", "1000"]
restarts = 50
"""


class Manager(System):
    def __init__(self, folder, configuration=GOOD):
        self.path = folder / "surveillance.toml"
        super().__init__(folder, configuration)
        try:
            eventually(self.answers, "it answers")
        except BaseException:
            self.kill()
            raise

    def get(self, path: str) -> str:
        """Of a manager that may be busy with a file, on a machine that may be busy."""
        def answer():
            try:
                return (super(Manager, self).get(path),)
            except urllib.error.HTTPError:
                raise
            except OSError:
                assert self.process.poll() is None, "the manager ended"
        return eventually(answer, f"an answer to {path}")[0]

    def answers(self) -> bool:
        return self.get("/healthz") == "ok\n"

    def events(self, *kinds):
        told = [json.loads(line) for line in self.get("/events.jsonl").splitlines()]
        return [event for event in told if not kinds or event["kind"] in kinds]

    def reload_and_see(self, kind, more=1):
        before = len(self.events(kind))
        self.reload()
        return eventually(lambda: self.events(kind)[before:], f"an event {kind} after SIGHUP")[-1]["text"]


@pytest.fixture
def made(tmp_path):
    managers = []

    def make(configuration=GOOD):
        managers.append(Manager(tmp_path, configuration))
        return managers[-1]
    yield make
    for manager in managers:
        if manager.process.poll() is None:
            manager.kill()  # and its children with it


def python(code: str) -> str:
    return json.dumps(["python3", "-c", "import json, os, socket, time\n"
                       "s = socket.socket(fileno=int(os.environ['REPORT_FD']))\ns.setblocking(True)\n" + code])


def test_sighup_with_whatever_file_is_an_event_and_everybody_goes_on(tmp_path, made):
    manager = made()
    (tmp_path / "state" / "occupied").write_text("a file where a camera of that name would have its folder")
    whole = manager.path.read_text()
    pid = eventually(lambda: manager.worker("w")["pid"], "the worker runs")
    cases = nasty.files(whole)
    del cases["camera too long for a socket"]  # this folder's path may be short
    for name, content in cases.items():
        manager.path.write_bytes(content)
        assert manager.reload_and_see("error").startswith("nothing was changed: "), name
    assert manager.worker("w")["pid"] == pid and len(manager.snapshot()["cameras"]) == 1
    manager.write(GOOD + '[[camera.worker]]\nname = "new"\ncommand = ["sleep", "1000"]\n')
    assert manager.reload_and_see("reload")
    eventually(lambda: manager.worker("new") and manager.worker("new")["pid"], "what the right file asks for")
    assert manager.worker("w")["pid"] == pid


def test_sighup_with_something_else_than_a_file_is_an_event_and_does_not_wait(tmp_path, made):
    manager = made()
    for make in (os.mkfifo, lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path),
                 lambda path: path.symlink_to(tmp_path / "nothing"), lambda path: None):
        manager.path.rmdir() if manager.path.is_dir() else manager.path.unlink(missing_ok=True)
        make(manager.path)
        assert manager.reload_and_see("error").startswith("nothing was changed: ")


def test_sighups_without_a_pause_end_nothing(made):
    manager = made()
    for number in range(200):
        manager.path.write_bytes(b"\xff" if number % 2 else b"x = 1")
        manager.reload()
    manager.write(GOOD)
    assert manager.reload_and_see("reload")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x = " + b"[" * 5000, b"", b"a" + b".a" * 200_000 + b" = 1"],
                         ids=["no UTF-8", "nested", "empty", "dotted"])
def test_at_the_start_a_wrong_file_is_a_sentence_and_an_exit_status(tmp_path, content):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    ended = subprocess.run([sys.executable, "-m", "surveillance.manage", "--config", path, "--folder", tmp_path / "state"], capture_output=True,
                           text=True, timeout=60 * PATIENCE)
    assert ended.returncode == 1 and str(path) in ended.stderr and "Traceback" not in ended.stderr


def test_the_file_may_come_through_a_pipe_at_the_start(tmp_path):
    checked = subprocess.run([sys.executable, "-m", "surveillance.manage", "--config", "/dev/stdin", "--check"], input=GOOD.encode(),
                             capture_output=True, timeout=60 * PATIENCE)
    assert checked.returncode == 0
    os.mkfifo(tmp_path / "fifo")  # whose other end is not open
    checked = subprocess.run([sys.executable, "-m", "surveillance.manage", "--config", tmp_path / "fifo", "--check"], capture_output=True,
                             text=True, timeout=60 * PATIENCE)
    assert checked.returncode == 1 and "did not end within" in checked.stderr


def test_fifos_links_and_folders_in_its_own_folder_neither_stop_nor_block_it(tmp_path, made):
    state = tmp_path / "state"
    for folder in ("front/logs", "front/album"):
        (state / folder).mkdir(parents=True)
    for name in ("state.json", "state.new", "events.jsonl", "lock", "front/logs/w.log", "front/album/w.jpg", "front/album/w-00.jpg"):
        os.mkfifo(state / name)
    (state / "front/logs/capture.log").symlink_to("/dev/full")
    (state / "front/logs/b.log").mkdir()
    (state / "front/album/b.jpg").symlink_to("/dev/zero")
    prints = json.dumps(["sh", "-c", "echo words; exec sleep 1000"])
    manager = made(GOOD.replace('["sleep", "1000"]', prints) + f'[[camera.worker]]\nname = "b"\ncommand = {prints}\n')
    assert any("put aside as state.unreadable" in event["text"] for event in manager.events("warning"))
    for name in ("w", "b"):
        assert eventually(lambda: manager.worker(name)["pid"], "the worker runs")
        eventually(lambda: [event for event in manager.events("warning") if event["worker"] == name and "its log cannot be written" in event["text"]],
                   "what is wrong with its log")
        for _ in range(20):  # more than there are threads
            with pytest.raises(OSError, match="404"):
                manager.get(f"/pictures/front/{name}.jpg")
    assert json.loads((state / "state.json").read_text())["pid"] == manager.process.pid
    assert manager.stop() == 0


def test_lines_without_end_are_read_no_faster_than_they_may_come(made):
    flood = "line = json.dumps({'kind': 'frame', 'age': 0.001, 'found': 1}).encode()\nos.fork()\nwhile True:\n  s.send(line)\n"
    odd = "while True:\n  for line in (b'', b'x', b'[' * 60000, json.dumps({'kind': 'report', 'x': float('nan')}).encode()): s.send(line)\n"
    manager = made(GOOD.replace('["sleep", "1000"]', python(flood)) + f'[[camera.worker]]\nname = "odd"\ncommand = {python(odd)}\n')

    def used():
        return sum(map(int, open(f"/proc/{manager.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    eventually(lambda: manager.worker("w")["found"] > 1500, "the flood runs")
    found, begin, cpu = manager.worker("w")["found"], time.monotonic(), used()
    eventually(lambda: manager.worker("w")["found"] > found + 1000, "lines are still read")
    seconds = time.monotonic() - begin
    assert manager.worker("w")["found"] - found < 1500 + 600 * (seconds + 2)
    assert used() - cpu < 0.5 * seconds + 2  # of a processor, while two floods run
    json.loads(manager.get("/snapshot"), parse_constant=pytest.fail)
    assert "surveillance_worker_detections_total" in manager.get("/metrics")
    assert any("they are read no faster" in event["text"] for event in manager.events("warning"))
    assert len(manager.events()) < 100


def test_what_a_grandchild_goes_on_sending_does_not_keep_its_parents_end_from_being_seen(made):
    worker = "line = json.dumps({'kind': 'frame', 'age': 'x'}).encode()\nif os.fork():\n  os._exit(3)\nos.setsid()\nwhile True:\n  s.send(line)\n"
    manager = made(GOOD.replace('["sleep", "1000"]', python(worker)))
    eventually(lambda: [event for event in manager.events("exit") if event["text"] == "ended with code 3"], "its end")
    assert manager.answers()


def processes(word: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word in (process / "cmdline").read_text(errors="replace") and ") Z " not in (process / "stat").read_text():
                found.append(int(process.name))
    return found


def test_what_a_worker_leaves_behind_ends_with_it_or_with_the_manager(tmp_path, made):
    with_it, with_the_manager = f"leaves-{os.getpid()}-a", f"leaves-{os.getpid()}-b"
    sleeps = "import time; time.sleep(1000)"
    worker = json.dumps(["python3", "-c", "import os, subprocess, sys\n"
                         f"subprocess.Popen([sys.executable, '-c', '{sleeps}', '{with_it}'])\n"
                         f"subprocess.Popen([sys.executable, '-c', '{sleeps}', '{with_the_manager}'], start_new_session=True)\n"])
    manager = made(GOOD.replace('["sleep", "1000"]', worker).replace("restarts = 50", 'level = "best-effort"'))
    eventually(lambda: manager.events("give-up"), "its end")
    eventually(lambda: not processes(with_it), "its child ended with it")
    assert processes(with_the_manager)
    assert manager.stop() == 0
    assert not processes(with_the_manager)


def test_what_a_worker_prints_is_bounded_on_the_disk_and_slows_only_itself(tmp_path, made):
    manager = made(GOOD.replace('["sleep", "1000"]', json.dumps(["sh", "-c", "yes the same words again and again"])))
    log = tmp_path / "state/front/logs/w.log"
    eventually(lambda: log.exists() and b"bytes were dropped here" in log.read_bytes(), "that something was dropped")
    for _ in range(20):
        assert sum(path.stat().st_size for path in log.parent.iterdir()) <= 2 * LOG_BYTES
        assert manager.answers()
        time.sleep(0.05)


def small_disk(folder):
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here: root is needed")


def test_a_full_disk_costs_log_lines_and_the_state_but_not_the_manager(tmp_path, made):
    state = tmp_path / "state"
    small_disk(state)
    try:
        manager = made(GOOD.replace('["sleep", "1000"]', json.dumps(["sh", "-c", "while printf %1000d 7; do sleep 0.05; done"])))
        with contextlib.suppress(OSError), open(state / "much", "wb", buffering=0) as much:
            while True:
                much.write(b"x" * 4096)
        eventually(lambda: [event for event in manager.events("warning") if "its log cannot be written" in event["text"]], "the log's trouble")
        manager.write(GOOD.replace('"sleep", "1000"', '"sleep", "2000"'))
        assert manager.reload_and_see("reload")
        eventually(lambda: [event for event in manager.events("warning") if "its state cannot be saved" in event["text"]], "the state's trouble")
        os.unlink(state / "much")
        manager.write(GOOD)
        assert manager.reload_and_see("reload")
        eventually(lambda: json.loads((state / "state.json").read_text())["pid"] == manager.process.pid, "the state is saved again")
        for line in (state / "events.jsonl").read_text().splitlines():
            json.loads(line)  # none is half
        assert manager.stop() == 0
    finally:
        subprocess.run(["umount", "--lazy", state], check=True)


def test_an_output_that_is_not_read_does_not_stop_it(tmp_path):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    manager = System.__new__(Manager)
    manager.port = free_port()
    manager.address, manager.state = f"http://127.0.0.1:{manager.port}", tmp_path / "state"
    manager._path = tmp_path / "x.toml"
    manager.write(GOOD)
    manager.process = subprocess.Popen([sys.executable, "-m", "surveillance.manage", "--config", manager._path, "--folder", manager.state],
                                       stdout=writing, stderr=writing)
    try:
        eventually(manager.answers, "it answers")
        manager.process.send_signal(signal.SIGTERM)
        assert manager.process.wait(60 * PATIENCE) == 0
    finally:
        manager.process.kill()
        os.close(writing)
        os.close(reading)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"GET /events.jsonl HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20],
                         ids=["silent", "half a request", "unread answers"])
def test_hundreds_of_connections_that_say_or_read_nothing_do_not_stop_the_page(made, sent):
    manager = made()
    with contextlib.ExitStack() as held:
        for number in range(400):
            silent = held.enter_context(socket.socket())
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            silent.connect(("127.0.0.1", manager.port))
            with contextlib.suppress(OSError):
                silent.sendall(sent)
            if number % 50 == 49:
                eventually(manager.answers, "the page is served")
        assert len(os.listdir(f"/proc/{manager.process.pid}/fd")) < 200
        assert "surveillance_pages_open" in manager.get("/metrics")


def test_notify_sockets_of_others_do_not_stop_it(tmp_path, monkeypatch):
    for address in (str(tmp_path / "nothing"), "@nobody", "x" * 200, "/dev/null"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        manager = Manager(tmp_path)
        assert any("NOTIFY_SOCKET" in event["text"] for event in manager.events("warning"))
        manager.kill()
