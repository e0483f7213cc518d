# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the modules of tests/support importable for the tests of this folder."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
