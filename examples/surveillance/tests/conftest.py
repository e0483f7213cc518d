# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes examples/surveillance importable, here and in the children that tests start."""

import os
import sys
from pathlib import Path

EXAMPLES = str(Path(__file__).resolve().parents[3] / "examples")
sys.path.insert(0, EXAMPLES)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (EXAMPLES, os.environ.get("PYTHONPATH"))))
