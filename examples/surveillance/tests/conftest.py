# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes examples/surveillance importable, here and in the children that tests start."""

import contextlib
import os
import sys
from pathlib import Path

# Before OpenCV and GStreamer: a module of C++ that is loaded after both of them may get the exceptions of GStreamer's libunwind, and those of
# libgcc in the standard library. The first error that it raises then ends the process.
with contextlib.suppress(ImportError):
    import shmring  # noqa: F401

EXAMPLES = str(Path(__file__).resolve().parents[3] / "examples")
sys.path.insert(0, EXAMPLES)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (EXAMPLES, os.environ.get("PYTHONPATH"))))
