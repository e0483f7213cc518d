# SPDX-License-Identifier: LGPL-2.1-or-later
"""State that one manager leaves to the next."""

import os
import subprocess
import sys

import pytest
from surveillance import state


def test_what_was_saved_is_there_again(tmp_path):
    assert state.load(tmp_path / "state.json") == state.Before()
    state.save(tmp_path / "state.json", pid=7, cameras={"front": {}})
    told = state.load(tmp_path / "state.json")
    assert (told.pid, told.cameras) == (7, {"front": {}})
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 0}', '{"version": 2, "pid": 1}'])
def test_a_file_that_cannot_be_understood_is_put_aside_and_kept(tmp_path, text):
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="put aside as state.unreadable"):
        state.load(path)
    assert (tmp_path / "state.unreadable").read_text() == text
    assert state.load(path) == state.Before()


def test_a_save_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "state.json"
    state.save(path, pid=1)
    (tmp_path / "state.new").mkdir()  # nothing can be written there
    with pytest.raises(OSError):
        state.save(path, pid=2)
    assert state.load(path).pid == 1


def test_one_manager_per_folder(tmp_path):
    descriptor = state.lock(tmp_path)
    with pytest.raises(state.InUse, match=str(tmp_path)):
        state.lock(tmp_path)
    os.close(descriptor)
    os.close(state.lock(tmp_path))


def test_what_a_killed_manager_left_behind_is_ended_and_nothing_else(tmp_path):
    def sleeper(folder):
        return subprocess.Popen([sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)"], stdout=subprocess.PIPE,
                                env={**os.environ, state.MARK: str(folder)})
    ours, others = sleeper(tmp_path), sleeper(tmp_path / "elsewhere")
    try:
        for child in (ours, others):
            assert child.stdout.readline() == b"up\n"
        assert state.kill_leftovers(tmp_path) == [ours.pid]
        assert ours.wait(10) == -9
        assert others.poll() is None
    finally:
        for child in (ours, others):
            child.kill()
            child.wait()
            child.stdout.close()
