# SPDX-License-Identifier: LGPL-2.1-or-later
"""The module beside others that bring C++ or an unwinder of their own (GStreamer: libunwind), in whatever order they are imported."""

import itertools
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import shmring

IMPORTS = {
    "cv2": "import cv2",
    "gst": "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None)",
    "numpy": "import numpy",
    "shmring": "import shmring",
}
PROGRAM = """
for path in "/nowhere/ring.sock", "x" * 4096:
    try:
        shmring.Publisher(path, format="BGR", width=8, height=8)
    except shmring.Error as error:
        print(type(error).__name__)
try:
    shmring.Reader("ring.sock", depth="many")
except TypeError:
    print("TypeError")
"""


@pytest.mark.parametrize("order", list(itertools.permutations(IMPORTS)), ids="-".join)
def test_errors_are_exceptions_in_every_order_of_imports(order):
    pytest.importorskip("cv2")
    done = subprocess.run([sys.executable, "-c", "\n".join(IMPORTS[name] for name in order) + PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-1] == "TypeError" and len(done.stdout.split()) == 3


def test_a_module_that_was_built_for_another_python_says_so(tmp_path):
    shutil.copytree(pathlib.Path(shmring.__file__).parent, tmp_path / "shmring", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (tmp_path / "shmring" / "_shmring.cpython-399-x86_64-linux-gnu.so").touch()
    done = subprocess.run([sys.executable, "-c", "import shmring"], env=os.environ | {"PYTHONPATH": str(tmp_path)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: shmring in {tmp_path / 'shmring'} was built for cpython-399-x86_64-linux-gnu, and {sys.executable} is Python "
        f"{sys.version_info[0]}.{sys.version_info[1]}; use that Python, as /usr/bin/python3, or install shmring for this one with pip")
