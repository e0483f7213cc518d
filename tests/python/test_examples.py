# SPDX-License-Identifier: LGPL-2.1-or-later
"""The example programs run, with each other, and end well."""

import itertools
import os
import pathlib
import re
import signal
import sys

import pytest
import shmring
from conftest import eventually

BUILT = pathlib.Path(os.environ["EXAMPLES_BUILT"])
SOURCE = pathlib.Path(__file__).resolve().parents[2] / "examples"
PUBLISHERS = {"c": [BUILT / "c/publisher"], "cpp": [BUILT / "cpp/publisher"], "python": [sys.executable, SOURCE / "python/publisher.py"]}
READERS = {"c": [BUILT / "c/reader"], "cpp": [BUILT / "cpp/reader"], "python": [sys.executable, SOURCE / "python/numpy_reader.py"]}


def lanes(path):
    """The readers of a ring that may not be there yet."""
    try:
        return shmring.inspect(path, 10)["accounts"]
    except shmring.Disconnected:
        return []


def frames(option, count):
    """The language's way to say how many."""
    return [count] if option in ("c", "cpp") else ["--frames", count]


@pytest.mark.parametrize(("publisher", "reader"), itertools.product(PUBLISHERS, READERS))
def test_every_language_reads_every_other(path, spawn, publisher, reader):
    reading = spawn(*READERS[reader], path, *frames(reader, 5))
    publishing = spawn(*PUBLISHERS[publisher], path, *frames(publisher, 100000))
    output, status = reading.end()
    assert status == 0
    numbers = [int(number) for number in re.findall(r"^frame (\d+), .* ms old, mean [\d.]+$", output, re.M)]
    assert len(numbers) == 5 and numbers == sorted(set(numbers))
    publishing.kill()


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_publisher_that_ends_ends_its_readers(path, spawn, publisher):
    readings = [spawn(*command, path) for command in READERS.values()]
    publishing = spawn(*PUBLISHERS[publisher], path, *frames(publisher, 100000))
    eventually(lambda: len(lanes(path)) == 3)
    publishing.kill()
    while any(reading.process.poll() is None for reading in readings):  # a slow reader may miss one that is there for 2 s
        assert spawn(*PUBLISHERS[publisher], path, *frames(publisher, 60)).end()[1] == 0
    assert [reading.end()[1] for reading in readings] == [0, 0, 0]


@pytest.mark.parametrize(("script", "said"), [("opencv_motion.py", r"frame \d+, [\d.]+ % moves"), ("async_reader.py", r"frame \d+, [\d.]+ ms old"),
                                              ("appsink_reader.py", r"frame \d+, mean [\d.]+")])
def test_the_python_readers_say_what_they_see(path, spawn, script, said):
    if script == "opencv_motion.py":
        pytest.importorskip("cv2")
    reading = spawn(sys.executable, SOURCE / "python" / script, path, "--frames", 4)
    spawn(*PUBLISHERS["python"], path)
    output, status = reading.end()
    assert status == 0
    assert len(re.findall(said, output)) == 4


def test_the_surgeons_filter_says_what_it_did(spawn):
    pytest.importorskip("scipy", reason="scipy is not installed: apt install python3-scipy")
    output, status = spawn(sys.executable, SOURCE / "python/surgeon.py", "--seconds", 1, "--channels", 4, "--samples", 3000).end()
    assert status == 0
    assert re.search(r"^16 rings of int16 \(4, 3000\), 0.38 MB a set\n\d+ sets in [\d.]+ s.*\n.*median [\d.]+ ms.*\n.*incomplete sets: \d+", output)


def test_ctrl_c_ends_a_python_example_quietly(path, spawn):
    reading = spawn(sys.executable, SOURCE / "python/numpy_reader.py", path, stderr=-1)
    spawn(*PUBLISHERS["python"], path)
    reading.line()
    reading.signal(signal.SIGINT)
    assert reading.process.wait() == 0
    assert reading.process.stderr.read() == ""


@pytest.mark.parametrize("script", ["two_terminals.sh", "jpeg.sh"])
def test_the_launch_scripts_of_two_terminals_find_each_other(path, spawn, script):
    env = dict(os.environ, SOCKET=path, SINK="fakesink", SOURCE="videotestsrc is-live=true")
    publishing = spawn(SOURCE / "launch" / script, "publish", env=env)
    reading = spawn(SOURCE / "launch" / script, "read", env=env)

    eventually(lambda: any(lane["worker"].startswith("viewer-") and lane["delivered"] >= 3 for lane in lanes(path)))
    publishing.signal(signal.SIGINT)
    publishing.process.wait()
    reading.signal(signal.SIGINT)
    assert reading.process.wait() is not None


def test_the_tee_replacement_shows_the_health_of_both_branches(spawn):
    env = dict(os.environ, SINK="fakesink", SOURCE="videotestsrc is-live=true")
    launch = spawn(SOURCE / "launch/tee_replacement.sh", env=env)
    seen = set()
    while seen != {"viewer", "slow"}:
        if match := re.search(r'frame-health,.*worker=\(string\)"?([\w-]+)', launch.line()):
            seen.add(match.group(1))
    launch.signal(signal.SIGINT)
    launch.process.wait()


def test_embed_reports_its_workers_as_they_come_and_go(spawn):
    output, status = spawn(BUILT / "embed/embed", 10).end()
    assert status == 0
    events = [line for line in output.splitlines() if line.startswith(("+", "-"))]
    assert events == ["+ fast", "+ slow", "+ stuck", "- slow", "- stuck"]
    assert re.search(r"fast is ok", output)
    assert re.search(r"stuck is stuck", output)
    assert not re.search(r"fast is (stuck|dead)", output)
