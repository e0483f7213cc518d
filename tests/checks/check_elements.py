# SPDX-License-Identifier: LGPL-2.1-or-later
"""The elements' interface, as gst-inspect-1.0 shows it, equals golden/ELEMENT.txt: no property, pad, signal or default changes
unnoticed; and the tables in docs/elements/ELEMENT.md are those of the element. UPDATE_GOLDEN=1 writes both anew.

usage: check_elements.py ELEMENT…
"""
import os
import re
import subprocess
import sys

import element_tables
from tap import ROOT, Tap

# What depends on the machine, the version or the moment.
VOLATILE = re.compile(r"^ +(Filename|Version|Source release date|Source module|Binary package|Origin URL) +.*\n|^ +at: \d+\n", re.M)


def check_page(tap, element):
    path = ROOT / f"docs/elements/{element}.md"
    page = path.read_text(encoding="utf-8")
    now, problems = element_tables.filled(page, element)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(now, encoding="utf-8")
    elif now != page:
        problems.append("the tables are not the element's. If the element is right: UPDATE_GOLDEN=1 meson test --suite checks")
    tap.check(f"docs/elements/{element}.md shows the element as it is", problems)


def main(*elements):
    tap = Tap()
    for element in elements:
        shown = subprocess.run(["gst-inspect-1.0", "--no-colors", element], capture_output=True, text=True, check=False)
        if shown.returncode:
            tap.check(f"{element}.txt", shown.stdout + shown.stderr)
        else:
            tap.golden(f"{element}.txt", re.sub(r" +$", "", VOLATILE.sub("", shown.stdout), flags=re.M))
            check_page(tap, element)
    tap.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
