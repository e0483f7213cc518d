# SPDX-License-Identifier: LGPL-2.1-or-later
"""The description of the system: what is accepted, and what each mistake is told as."""

import signal
from pathlib import Path

import pytest
import surveillance
from surveillance import config
from surveillance.policy import Level


def worker(**changes):
    return {"name": "w", "command": ["true"], **changes}


def test_the_demonstrations_own_file_is_right():
    camera, = config.load(Path(surveillance.__file__).parent / "demo.toml").cameras
    assert {entry.name: entry.level for entry in camera.workers} == {
        "motion": Level.CRITICAL, "person": Level.HIGH, "flow": Level.BEST_EFFORT}
    assert [fault.signal for fault in camera.faults] == [signal.SIGKILL, signal.SIGSTOP]


def test_the_readmes_file_is_right(tmp_path):
    text = (Path(surveillance.__file__).parent / "README.md").read_text(encoding="utf-8")
    (tmp_path / "front.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    camera, = config.load(tmp_path / "front.toml").cameras
    assert (camera.readers, camera.workers[0].fallback[-1]) == (3, "surveillance.workers.flow")


@pytest.mark.parametrize("table, sentence", [
    ({}, "nothing to run"),
    ({"worker": [worker(), worker()]}, "two workers are called 'w'"),
    ({"worker": [worker(name="")]}, "a name of 1 to 63 bytes"),
    ({"worker": [worker(name="é" * 32)]}, "a name of 1 to 63 bytes"),
    ({"worker": [worker(command="true")]}, "a list of words"),
    ({"worker": [worker(level="vital")]}, "'vital' is none of critical, high, normal, best-effort"),
    ({"worker": [worker(policy="newest")]}, "'newest' is none of drop-newest, drop-oldest, latest"),
    ({"worker": [worker(depth=-1)]}, "depth = -1"),
    ({"worker": [worker(name="ring-branch")]}, "no worker may be called 'ring-branch'"),
    ({"worker": [worker(name="recorder")], "recorder": {}}, "no worker may be called 'recorder'"),
    ({"worker": [worker(polcy="latest")]}, "worker 'w': unknown key 'polcy'"),
    ({"worker": [worker()], "ring": {"stall-timeout": True}}, "stall-timeout = True"),
    ({"worker": [worker()], "fault": [{"worker": "x"}]}, "'x', which is no worker"),
    ({"worker": [worker()], "fault": [{"worker": "w", "signal": "NONE"}]}, "no signal is called 'NONE'"),
    ({"worker": [worker()], "fault": [{"worker": "w", "at": 1.5}]}, "at = 1.5"),
    ({"camera": [{"name": "a", "worker": [worker(polcy="latest")]}]}, "camera 'a', worker 'w': unknown key 'polcy'"),
    ({"camera": [{"name": "a", "worker": [{}]}]}, "camera 'a': a [[worker]] needs a name"),
    ({"worker": [worker()], "cameras": 2}, "the file: unknown key 'cameras'"),
    ({"worker": [worker()], "recorder": {"folder": "/srv/r"}, "camera": [{"name": "a"}, {"name": "b"}]},
     "two recorders have the same folder /srv/r: each would delete what the other writes"),
    ({"worker": [worker()], "camera": [{"name": "a", "clips": {"folder": "/srv/r/"}}, {"name": "b", "recorder": {"folder": "/srv/./r"}}]},
     "two recorders have the same folder /srv/r"),
])
def test_a_mistake_is_told_in_a_sentence(table, sentence):
    with pytest.raises(config.ConfigError, match="(?s).*" + sentence.replace("[", r"\[")):
        config.parse(table)


def test_recorders_of_folders_of_their_own_are_right():
    config.parse({"worker": [worker()], "clips": {}, "camera": [{"name": "a"}, {"name": "b", "recorder": {"folder": "/srv/b"}},
                                                                {"name": "c", "recorder": {"folder": "/srv/c"}}]})


def test_without_a_table_a_worker_may_take_as_long_over_a_frame_as_with_the_elements():
    assert config.parse({"worker": [worker()]}).cameras[0].ring == config.Ring(stall_timeout=30.0, depth=8, max_held=3, reconnect=60.0, max_readers=0)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / "x.toml").write_text("worker = [")
    with pytest.raises(config.ConfigError, match="x.toml"):
        config.load(tmp_path / "x.toml")


def test_a_worker_without_a_command_is_started_by_others_and_has_no_restarts():
    camera = config.parse({"worker": [{"name": "elsewhere", "level": "critical"}]}).cameras[0]
    assert (camera.workers[0].command, camera.workers[0].restarts) == ((), 0)
    with pytest.raises(config.ConfigError, match="restarts"):
        config.parse({"worker": [{"name": "elsewhere", "restarts": 1}]})
