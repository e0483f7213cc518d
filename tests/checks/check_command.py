#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man page and the completions of the command are what its definitions give. Arguments: the program `describe`."""
import subprocess
import sys

from tap import ROOT, Tap

tap = Tap()
for what, name in {"man": "shmring.1", "bash": "completion.bash", "zsh": "completion.zsh"}.items():
    made = subprocess.run([sys.argv[1], what], capture_output=True, text=True, check=True).stdout
    tap.golden(str(ROOT / "shmring" / "tools" / name), made)
tap.done()
