# SPDX-License-Identifier: LGPL-2.1-or-later
"""What .ci/run makes of its two parts: it counts both, names what is left out, and fails where one fails."""
import pathlib
import platform
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(platform.freedesktop_os_release().get("VERSION_CODENAME") == "trixie", reason="it leaves out its own Debian")


def run(tmp_path, here, newest, make="exit 0"):
    """The script in a tree whose tests/run and tests/newest are these shell lines."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / ".ci/setup.sh").write_text("install_packages() { :; }\n", encoding="utf-8")
    for name, lines in {"run": here, "newest": f'[ "$1" != --make ] || {{ {make}; }}\n{newest}'}.items():
        script = tmp_path / "tests" / name
        script.write_text(f"#!/bin/bash\n{lines}\n", encoding="utf-8")
        script.chmod(0o755)
    return subprocess.run([tmp_path / ".ci/run"], capture_output=True, text=True, check=False, timeout=60)


def test_both_parts_are_counted_and_timed(tmp_path):
    said = run(tmp_path, "echo 3 passed, 0 failed", "echo 4 passed, 0 failed")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "7 passed, 0 failed"
    assert re.search(r"^== this machine: \d+ s\n", said.stdout, re.M) and re.search(r"^== Debian 13: \d+ s\n\d+ s in all\n", said.stdout, re.M)


def test_a_failure_on_the_newer_debian_fails_it(tmp_path):
    said = run(tmp_path, "echo 3 passed, 0 failed", "echo 4 passed, 1 failed; exit 1")
    assert said.returncode == 1 and said.stdout.splitlines()[-1] == "7 passed, 1 failed"


def test_a_part_that_ends_without_counting_has_failed(tmp_path):
    said = run(tmp_path, "echo 3 passed, 0 failed", "echo it broke")
    assert said.returncode == 1 and said.stdout.splitlines()[-1] == "3 passed, 1 failed"


def test_what_came_to_its_end_counts_when_the_time_is_over(tmp_path, monkeypatch):
    monkeypatch.setenv("CI_SECONDS", "2")
    said = run(tmp_path, "echo 3 passed, 0 failed", "echo 'unit       4 passed, 1 failed  (2 s)'; sleep 600")
    assert said.returncode == 1
    assert "left out: the rest of Debian 13: the time is over" in said.stdout.splitlines()
    assert said.stdout.splitlines()[-1] == "7 passed, 1 failed"


def test_where_no_newer_debian_can_be_made_it_says_so(tmp_path):
    said = run(tmp_path, "echo 3 passed, 0 failed", "exit 1", make="echo no mirror >&2; exit 77")
    assert said.returncode == 0, said.stderr
    assert "left out: Debian 13: no mirror" in said.stdout.splitlines()
    assert said.stdout.splitlines()[-1] == "3 passed, 0 failed"
