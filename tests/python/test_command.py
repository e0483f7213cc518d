# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command `shmring` on real rings: list, top, hz, results, snap. `stat` is in test_inspect.py."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading

import numpy as np
import pytest
import shmring
from conftest import PUBLISHER, attach, eventually, pattern

RINGS = ["door", "front", "lab", "yard"]


def command(*words, **more):
    return subprocess.run(["shmring", *map(str, words)], capture_output=True, text=True, check=False, **more)


@pytest.fixture
def folder(tmp_path):
    """Four rings; of "front" there is a reader."""
    with contextlib.ExitStack() as stack:
        for name in RINGS:
            publisher = stack.enter_context(shmring.Publisher(tmp_path / f"{name}.sock", format="GRAY8", width=64, height=48, max_readers=3))
            publisher.publish(pattern(48, 64))
        stack.enter_context(shmring.Reader(tmp_path / "front.sock", "latest", "person")).read()
        yield tmp_path


@pytest.fixture
def camera(path):
    """A ring with frames that keep coming, until the test is over."""
    over = threading.Event()
    with shmring.Publisher(path, format="BGR", width=66, height=48, max_readers=3) as publisher:

        def publish():
            while not over.wait(0.01):
                publisher.publish(pattern(48, 66, 3))

        thread = threading.Thread(target=publish)
        thread.start()
        yield publisher
        over.set()
        thread.join()


def first_words(text):
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def test_list_names_each_ring_that_has_a_publisher(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(folder / "dead.sock"))
    (folder / "file.sock").write_text("no socket")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "other.sock"))
        other.listen()
        shown = command("list", folder)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert first_words(shown.stdout) == ["RING", *(f"{name}.sock" for name in RINGS)]
    assert " 1/3 " in shown.stdout.splitlines()[2] and "GRAY8" in shown.stdout
    assert first_words(command("list", cwd=folder).stdout) == first_words(shown.stdout)


def test_a_publisher_that_is_stopped_is_said_to_be_silent(folder, spawn):
    child = spawn(folder / "quiet.sock", code=PUBLISHER)
    assert child.line() == "ready"
    child.signal(signal.SIGSTOP)
    sentence = "quiet.sock: the publisher does not answer: it may be stopped\n"
    shown = command("list", folder)
    assert (shown.returncode, shown.stderr) == (0, "shmring: " + sentence)
    assert first_words(shown.stdout) == ["RING", *(f"{name}.sock" for name in RINGS)]
    shown = command("list", folder / "quiet.sock")
    assert (shown.returncode, shown.stdout, shown.stderr) == (1, "", "shmring: " + sentence)
    assert "\n" + sentence in command("top", folder, "--interval", "0.1", "--count", "1").stdout


@pytest.mark.parametrize("words", [("stat", "none.sock"), ("hz", "none.sock"), ("snap", "none.sock", "frame.npy")])
def test_a_complaint_names_the_ring_once(tmp_path, words):
    assert command(*words, cwd=tmp_path).stderr.count("none.sock") == 1


def test_list_takes_one_socket_too_and_speaks_json(folder):
    assert first_words(command("list", folder / "lab.sock").stdout) == ["RING", "lab.sock"]
    seen = [json.loads(line) for line in command("list", "--json", folder).stdout.splitlines()]
    assert [ring["path"] for ring in seen] == [str(folder / f"{name}.sock") for name in RINGS]
    assert all(ring.pop("now") and ring == shmring.inspect(ring.pop("path")) for ring in seen)


@pytest.mark.parametrize("word", ["list", "top"])
def test_a_folder_without_rings_is_status_1_and_said(word, tmp_path):
    shown = command(word, tmp_path)
    assert (shown.returncode, shown.stdout) == (1, "") and "no ring has a publisher here" in shown.stderr
    shown = command(word, tmp_path / "none")
    assert (shown.returncode, shown.stdout) == (1, "") and "No such file" in shown.stderr


def test_top_shows_pages_of_all_rings_and_readers(folder):
    shown = command("top", folder, "--interval", "0.1", "--count", "2")
    assert (shown.returncode, shown.stderr) == (0, "")
    page = ["rings", "RING", "door.sock", "front.sock", "person", "lab.sock", "yard.sock"]
    assert first_words(shown.stdout) == page * 2
    assert "rings 4, readers 1" in shown.stdout
    shown = command("top", folder, "--interval", "0.1", "--count", "1", "--sort", "age")
    assert first_words(shown.stdout)[2:4] == ["front.sock", "person"]


def test_top_ends_when_its_output_is_closed(folder):
    with subprocess.Popen(["shmring", "top", str(folder), "--interval", "0.05"], stdout=subprocess.PIPE) as shown:
        assert shown.stdout.readline()
        shown.stdout.close()
        shown.wait()


@pytest.mark.parametrize("words", [("list", "."), ("list", "--json", "."), ("stat", "yard.sock"), ("top", "--count", "1", "."),
                                   ("hz", "--seconds", "0.1", "front.sock")])
def test_an_output_that_takes_nothing_is_said(folder, words):
    with open("/dev/full", "w", encoding="ascii") as full:
        shown = subprocess.run(["shmring", *words], cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert shown.returncode == 1 and "the output was not taken" in shown.stderr
    # The ring's socket is not taken for the output.
    shown = subprocess.run(["sh", "-c", 'shmring "$@" >&-', "sh", *words], cwd=folder, stderr=subprocess.PIPE, text=True, check=False)
    assert shown.returncode == 1 and "the output was not taken" in shown.stderr


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "<&- >&- 2>&-"])
def test_complaints_that_are_not_taken_change_no_status(tmp_path, redirection):
    assert subprocess.run(["sh", "-c", f"shmring list none {redirection}"], cwd=tmp_path, check=False).returncode == 1


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    for place in tmp_path / "none", tmp_path / "none/at/all":
        assert command("list", place).stderr == f"shmring: {place}: No such file or directory\n"
    (tmp_path / "file").touch()
    place = tmp_path / "file/below"
    assert command("list", place).stderr == f"shmring: {place}: Not a directory\n"


def test_names_move_no_cursor(path):
    with shmring.Publisher(path, format="GRAY8", width=64, height=48), shmring.Reader(path, worker="k\u00e4se\u009b31m") as reader:
        attach(reader)
        for words in ("stat", path), ("stat", "--json", path), ("list", "--json", path), ("top", "--count", "1", path):
            shown = command(*words).stdout
            assert "\u009b" not in shown and "k\u00e4se" in shown


class Terminal:
    """`shmring top` in a terminal of its own."""

    def __init__(self, *words, rows=24, columns=200):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvp("shmring", ["shmring", "top", *map(str, words)])
        self.text = ""

    def read_until(self, words):
        while words not in self.text:
            self.text += os.read(self.screen, 65536).decode()
        before, _, self.text = self.text.partition(words)
        return before

    def end(self):
        with contextlib.suppress(OSError):  # its end of the terminal is closed
            while part := os.read(self.screen, 65536):
                self.text += part.decode()
        os.close(self.screen)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_top_takes_keys_in_a_terminal_and_leaves_it_as_it_was(folder):
    terminal = Terminal(folder, "--interval", "0.05")
    terminal.read_until("by name\r")
    for key, order in {"f": "by rate\r", "d": "by drops\r", "a": "by age\r", "r": "by age, reverse\r", "n": "by name\r"}.items():
        os.write(terminal.screen, key.encode())
        terminal.read_until(order)
    with shmring.Publisher(folder / "attic.sock", format="GRAY8", width=64, height=48):
        terminal.read_until("attic.sock")
    os.write(terminal.screen, b"q")
    assert terminal.end() == 0
    assert terminal.text.endswith("\033[?25h\033[?1049l")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_top_leaves_the_terminal_as_it_was_when_a_signal_ends_it(folder, number):
    terminal = Terminal(folder, "--interval", "0.05")
    terminal.read_until("by name\r")
    os.kill(terminal.pid, number)
    assert terminal.end() == 0
    assert terminal.text.endswith("\033[?25h\033[?1049l")


def test_top_that_is_stopped_gives_the_terminal_back_and_goes_on_in_it(folder):
    terminal = Terminal(folder, "--interval", "0.05")
    terminal.read_until("by name\r")
    os.write(terminal.screen, b"\x1a")  # Ctrl-Z
    assert os.WIFSTOPPED(os.waitpid(terminal.pid, os.WUNTRACED)[1])
    terminal.read_until("\033[?25h\033[?1049l")
    assert termios.tcgetattr(terminal.screen)[3] & (termios.ICANON | termios.ECHO) == termios.ICANON | termios.ECHO
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.read_until("\033[?1049h\033[?25l")
    terminal.read_until("by name\r")
    os.write(terminal.screen, b"q")
    assert terminal.end() == 0


def test_top_is_ended_by_a_key_though_a_look_takes_longer_than_the_interval(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.bind(str(folder / "silent.sock"))
        silent.listen()
        terminal = Terminal(folder, "--interval", "0.05")
        terminal.read_until("by name\r")
        os.write(terminal.screen, b"q")
        assert terminal.end() == 0


def test_top_cuts_lines_between_characters(path):
    with shmring.Publisher(path, format="GRAY8", width=64, height=48), shmring.Reader(path, worker="\u00e4" * 20) as reader:
        attach(reader)
        terminal = Terminal(path, "--interval", "0.05", columns=7)
        terminal.read_until("  " + "\u00e4" * 5 + "\r")  # os.read(…).decode() refuses half a character
        os.write(terminal.screen, b"q")
        assert terminal.end() == 0


def test_top_shows_a_page_in_a_terminal_that_says_it_has_no_rows(folder):
    terminal = Terminal(folder, "--interval", "0.05", rows=0)
    terminal.read_until("yard.sock")
    os.write(terminal.screen, b"q")
    assert terminal.end() == 0


def test_hz_measures_for_as_long_as_it_is_told(camera, path):
    shown = command("hz", path, "--seconds", "1.5", "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    spans = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [span["of"] for span in spans][-1] == "all"
    total = spans[-1]
    assert total["frames"] > 1 and total["rate"] > 0 and total["shortest"] <= total["interval"] <= total["longest"]
    assert total["bytes"] == total["frames"] * 48 * 66 * 3
    eventually(lambda: camera.stats()["readers"] == 0)


def test_hz_says_the_sum_when_it_is_interrupted(camera, path, spawn):
    child = spawn("shmring", "hz", path)
    assert " Hz  interval " in child.line()
    child.signal(signal.SIGINT)
    rest, status = child.end()
    assert status == 0 and rest.splitlines()[-1].startswith("all: ")


@pytest.mark.parametrize("way", ["end", "kill"])
def test_hz_ends_with_the_publisher(path, publisher_process, spawn, way):
    publisher = publisher_process()
    child = spawn("shmring", "hz", path, "--json")
    eventually(lambda: shmring.inspect(path)["readers"] == 1)
    for _ in range(3):
        publisher.say("frame")
        publisher.line()
    eventually(lambda: sum(account["delivered"] for account in shmring.inspect(path)["accounts"]) == 3)
    if way == "end":
        publisher.say("end")
    else:
        publisher.kill()
    output, status = child.end()
    assert status == 0
    assert json.loads(output.splitlines()[-1])["frames"] == 3


def test_hz_of_a_ring_without_frames_is_status_1(path):
    with shmring.Publisher(path, format="GRAY8", width=64, height=48):
        assert command("hz", path, "--seconds", "0.1").returncode == 1
    shown = command("hz", path)
    assert (shown.returncode, shown.stdout) == (1, "") and path in shown.stderr


def test_results_are_lines_of_json(path, spawn):
    with shmring.Results(path, worker="person") as results:
        child = spawn("shmring", "results", path, "--count", "2")
        eventually(lambda: shmring.inspect(path)["readers"] == 1)
        results.send(None, [shmring.Object("a\u009bb", 0.5, (1, 2, 3, 4))], sequence=7)
        results.send(None, sequence=8)
        output, status = child.end()
        assert status == 0 and "\u009b" not in output
        assert [json.loads(line)["sequence"] for line in output.splitlines()] == [7, 8]
        child = spawn("shmring", "results", path)
        assert json.loads(child.line())["worker"] == "person"
        child.signal(signal.SIGINT)
        assert child.end() == ("", 0)


def test_results_passes_over_what_is_none(path):
    with shmring.Publisher(path, slot_size=100, caps="application/x-frame-results") as publisher:
        publisher.publish(b"{}")
        child = subprocess.Popen(["shmring", "results", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        eventually(lambda: sum(account["delivered"] for account in shmring.inspect(path)["accounts"]) == 1)
        publisher.end()
        assert child.communicate() == ("", f"shmring: {path}: 1 frames were no results\n")
        assert child.returncode == 1


def test_snap_writes_the_array_of_the_newest_frame(camera, path, tmp_path):
    assert command("snap", path, tmp_path / "frame.npy").returncode == 0  # in the ring two bytes follow each row
    assert (np.load(tmp_path / "frame.npy") == pattern(48, 66, 3)).all()


def test_snap_writes_pictures(camera, path, tmp_path):
    cv2 = pytest.importorskip("cv2")
    for name in ("frame.png", "frame.jpg"):
        shown = command("snap", path, tmp_path / name)
        assert (shown.returncode, shown.stderr) == (0, "")
    assert (cv2.imread(str(tmp_path / "frame.png")) == pattern(48, 66, 3)).all()
    assert cv2.imread(str(tmp_path / "frame.jpg")).shape == (48, 66, 3)
    assert sorted(os.listdir(tmp_path)) == ["frame.jpg", "frame.png", "ring.sock"]


@pytest.mark.parametrize("file, words", [("none/frame.npy", "No such file"), ("frame.npy", "no frame came"), ("frame.png", "no frame came")])
def test_snap_that_fails_says_why_and_leaves_no_file(path, tmp_path, file, words):
    with shmring.Publisher(path, format="GRAY8", width=64, height=48):
        shown = command("snap", path, tmp_path / file, "--timeout", "0.2")
    assert (shown.returncode, shown.stdout) == (1, "") and words in shown.stderr
    assert not list(tmp_path.glob("frame*"))


def test_snap_to_a_file_of_no_known_form_is_wrong_usage(tmp_path):
    for name in ("frame.gif", "frame"):
        shown = command("snap", "none.sock", tmp_path / name)
        assert (shown.returncode, shown.stdout) == (2, "") and f"{name} ends with none of .png, .jpg and .npy" in shown.stderr


@pytest.mark.parametrize("name", ["frame.npy", "frame.png"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_snap_that_is_interrupted_leaves_no_file_and_no_reader(path, tmp_path, spawn, name, number):
    with shmring.Publisher(path, format="GRAY8", width=64, height=48) as publisher:
        child = spawn("shmring", "snap", path, tmp_path / name, "--timeout", "3600")
        eventually(lambda: publisher.stats()["readers"] == 1)
        child.signal(number)
        assert child.end()[1] == 1
        eventually(lambda: publisher.stats()["readers"] == 0)
    assert not list(tmp_path.glob("frame*"))


def test_snap_without_a_publisher_says_so(path, tmp_path):
    for name in ("frame.png", "frame.npy"):
        shown = command("snap", path, tmp_path / name)
        assert (shown.returncode, shown.stdout) == (1, "") and "no publisher at" in shown.stderr
    assert not list(tmp_path.iterdir())


def test_snap_takes_no_encoder_for_granted(camera, path, tmp_path):
    shown = command("snap", path, tmp_path / "frame.png", env={**os.environ, "PATH": os.path.dirname(shmring_program())})
    assert shown.returncode == 1 and "gstreamer1.0-tools" in shown.stderr


def shmring_program():
    return next(place for folder in os.environ["PATH"].split(":") if os.access(place := os.path.join(folder, "shmring"), os.X_OK))


def test_the_module_has_the_same_commands(folder):
    shown = subprocess.run([sys.executable, "-m", "shmring", "list", str(folder)], capture_output=True, text=True, check=False)
    assert first_words(shown.stdout) == first_words(command("list", folder).stdout)
