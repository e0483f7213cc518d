# SPDX-License-Identifier: LGPL-2.1-or-later
"""The elements' interface, as gst-inspect-1.0 shows it, equals golden/ELEMENT.txt: no property, pad, signal or default changes
unnoticed.

usage: check_elements.py ELEMENT…
"""
import re
import subprocess
import sys

from tap import Tap

# What depends on the machine, the version or the moment.
VOLATILE = re.compile(r"^ +(Filename|Version|Source release date|Source module|Binary package|Origin URL) +.*\n|^ +at: \d+\n", re.M)


def main(*elements):
    tap = Tap()
    for element in elements:
        shown = subprocess.run(["gst-inspect-1.0", "--no-colors", element], capture_output=True, text=True, check=False)
        if shown.returncode:
            tap.check(f"{element}.txt", shown.stdout + shown.stderr)
        else:
            tap.golden(f"{element}.txt", re.sub(r" +$", "", VOLATILE.sub("", shown.stdout), flags=re.M))
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
