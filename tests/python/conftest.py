# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shared by the tests of the Python module: a socket path, real child processes, a watchdog, waiting for a condition."""

import faulthandler
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))


@pytest.fixture(autouse=True)
def watchdog():
    """Ends a test that hangs, with the stacks of its threads (pytest runs with --capture=sys, so they are seen)."""
    faulthandler.dump_traceback_later(60 * PATIENCE, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "ring.sock")


class Child:
    """A program in a process of its own, spoken to line by line."""

    def __init__(self, command, **more):
        command = ["setpriv", "--pdeathsig", "KILL", *command]  # also when the watchdog ends the test
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **more)
        self.pid = self.process.pid

    def line(self):
        line = self.process.stdout.readline()
        assert line, f"the child ended ({self.process.wait()}) instead of saying a line"
        return line.strip()

    def say(self, line=""):
        self.process.stdin.write(line + "\n")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def end(self):
        """Its output until it ends by itself, and its exit status."""
        output, _ = self.process.communicate()
        return output, self.process.returncode


@pytest.fixture
def spawn():
    """spawn(command…) or spawn(code="…", args…): a child that does not outlive the test."""
    children = []

    def start(*command, code=None, **more):
        if code is not None:
            command = (sys.executable, "-u", "-c", textwrap.dedent(code), *command)
        children.append(Child([str(word) for word in command], **more))
        return children[-1]

    yield start
    for child in children:
        child.signal(signal.SIGCONT)
        child.kill()


PUBLISHER = """
import sys, numpy as np, shmring
publisher = shmring.Publisher(sys.argv[1], format="GRAY8", width=64, height=48, max_readers=4)
print("ready")
number = 0
for line in sys.stdin:
    word = line.strip()
    if word == "end":
        publisher.end()
    else:
        number += 1
        publisher.publish(np.full((48, 64), number % 256, np.uint8), pts=number)
    print(number)
"""


@pytest.fixture
def publisher_process(spawn, path):
    """Starts a publisher in another process; each line said to it publishes one frame, "end" ends the stream."""

    def start():
        child = spawn(path, code=PUBLISHER)
        assert child.line() == "ready"
        return child

    return start


def publish(child):
    child.say("frame")
    return int(child.line())


def eventually(condition, seconds=30):
    """Waits until the condition holds, and returns what it came to."""
    end = time.monotonic() + seconds * PATIENCE
    while not (result := condition()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
    return result


def attach(reader):
    """A reader finds its publisher when it is first asked for a frame; there is none yet."""
    eventually(lambda: reader.read(0.01) is None and reader.connected)
    return reader


def pattern(*shape, dtype=np.uint8):
    """Every value where it is, so that a wrong stride, offset or order shows."""
    return (np.arange(np.prod(shape), dtype=np.uint32) * 7 + 3).astype(dtype).reshape(shape)
