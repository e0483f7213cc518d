# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interpreters that the module accepts: the main one only, with its GIL."""

import subprocess
import sys
import textwrap

import pytest
import shmring  # noqa: F401  there is something to import


def run(program):
    """Its standard output. A child process: a fault here is one that waits for ever."""
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=120).stdout


MAKE = """
try:
    import _interpreters as interpreters
    made = interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    made = interpreters.create(isolated=False)

def sub(program):
    try:
        failed = interpreters.run_string(made, program)
    except Exception as error:
        failed = str(error)
    return getattr(failed, "msg", failed)
"""


@pytest.mark.parametrize("before", ["", "import shmring"])
def test_a_sub_interpreter_is_refused_and_the_main_one_goes_on(before):
    try:
        run(MAKE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this Python makes no sub-interpreters: {error.stderr.splitlines()[-1]}")
    said = run(f"{MAKE}\n{before}\nprint(sub('import shmring'))\nimport shmring\nprint(shmring.Reader)")
    assert "shmring works in the main interpreter of a process only" in said.splitlines()[0]
    assert "Reader" in said.splitlines()[1]


def test_a_free_threaded_python_takes_the_gil():
    """The module does not declare that it can do without: such a Python switches the GIL on when it is imported."""
    assert "True" in run("import shmring, sys; print(getattr(sys, '_is_gil_enabled', lambda: True)())")
